import type { ServicePort } from "../plan/model.ts";
import type { Conflict, PortChanges } from "./rules.ts";

/**
 * Grants each frontend to one port, for modes whose tables do not tell two Services with the same
 * frontend apart: the first that claims an address and port, or a node port, has it until it
 * releases it. External addresses are not granted if they are a cluster IP or an API server's, or
 * `isReserved`: tenants choose them (CVE-2020-8554). Pure.
 */
export class FrontendOwners {
  readonly #isReserved: (address: string) => boolean;
  readonly #ports = new Map<string, ServicePort>();
  /** The claimants of each frontend, the owner first. */
  readonly #claimants = new Map<string, string[]>();
  /** Ports by address: those whose cluster IP it is, and those that want it as an external one. */
  readonly #protected = new Map<string, Set<string>>();
  readonly #wanted = new Map<string, Set<string>>();

  constructor(isReserved: (address: string) => boolean) {
    this.#isReserved = isReserved;
  }

  /** Records changes; returns all ports whose grant they may affect, with what is granted now. */
  change(changes: PortChanges): Map<string, ServicePort | undefined> {
    const affected = new Set<string>();
    for (const [key, port] of changes) {
      const before = this.#ports.get(key);
      affected.add(key);
      this.#move(key, before, port, affected);
      if (port) this.#ports.set(key, port);
      else this.#ports.delete(key);
    }
    return new Map([...affected].map((key) => [key, this.granted(key)]));
  }

  /** Returns the port with the frontends that it has. */
  granted(key: string): ServicePort | undefined {
    const port = this.#ports.get(key);
    if (!port) return undefined;
    const owns = (frontend: string) => this.#claimants.get(frontend)?.[0] === key;
    const clusterIps = port.clusterIps.filter((ip) => owns(addressKey(port, ip)));
    const admits = (ip: string) => !this.#protected.has(ip) && !this.#isReserved(ip);
    const externalIps = port.externalIps.filter((ip) => admits(ip) && owns(addressKey(port, ip)));
    const { nodePort } = port;
    const hasNodePort = nodePort !== undefined && owns(nodePortKey(port, nodePort));
    return { ...port, clusterIps, externalIps, nodePort: hasNodePort ? nodePort : undefined };
  }

  /** Returns the frontends that a port claims and another has. */
  conflicts(key: string): Conflict[] {
    const port = this.#ports.get(key);
    return (port ? frontendsOf(port) : []).flatMap((frontend) => {
      const [owner = key] = this.#claimants.get(frontend) ?? [];
      return owner === key ? [] : [{ key: frontend, owner }];
    });
  }

  #move(
    key: string,
    before: ServicePort | undefined,
    after: ServicePort | undefined,
    affected: Set<string>,
  ): void {
    const kept = new Set(after ? frontendsOf(after) : []);
    for (const frontend of before ? frontendsOf(before) : []) {
      if (!kept.has(frontend)) this.#release(frontend, key, affected);
    }
    for (const frontend of kept) {
      const claimants = this.#claimants.get(frontend);
      if (!claimants) this.#claimants.set(frontend, [key]);
      else if (!claimants.includes(key)) claimants.push(key);
    }
    for (const ip of before?.externalIps ?? []) remove(this.#wanted, ip, key);
    for (const ip of after?.externalIps ?? []) add(this.#wanted, ip, key);
    const old = new Set(before ? protectedBy(before) : []);
    const now = new Set(after ? protectedBy(after) : []);
    for (const ip of old) if (!now.has(ip)) remove(this.#protected, ip, key);
    for (const ip of now) add(this.#protected, ip, key);
    for (const ip of [...old, ...now]) {
      if (old.has(ip) === now.has(ip)) continue;
      for (const other of this.#wanted.get(ip) ?? []) affected.add(other);
    }
  }

  #release(frontend: string, key: string, affected: Set<string>): void {
    const left = (this.#claimants.get(frontend) ?? []).filter((claimant) => claimant !== key);
    if (left.length === 0) this.#claimants.delete(frontend);
    else this.#claimants.set(frontend, left);
    if (left[0] !== undefined) affected.add(left[0]);
  }
}

const addressKey = ({ transport, port }: ServicePort, ip: string) => `${transport} ${ip}:${port}`;
const nodePortKey = ({ transport }: ServicePort, port: number) => `${transport} node port ${port}`;

function frontendsOf(port: ServicePort): string[] {
  const addresses = [...port.clusterIps, ...port.externalIps].map((ip) => addressKey(port, ip));
  const { nodePort } = port;
  return nodePort === undefined ? addresses : [...addresses, nodePortKey(port, nodePort)];
}

const protectedBy = ({ clusterIps, apiAddresses }: ServicePort) => [...clusterIps, ...apiAddresses];

function add(map: Map<string, Set<string>>, name: string, key: string): void {
  const keys = map.get(name);
  if (keys) keys.add(key);
  else map.set(name, new Set([key]));
}

function remove(map: Map<string, Set<string>>, name: string, key: string): void {
  const keys = map.get(name);
  keys?.delete(key);
  if (keys?.size === 0) map.delete(name);
}
