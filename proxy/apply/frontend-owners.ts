import { Groups } from "@raft2kube/std/groups.ts";
import type { ServicePort } from "../plan/model.ts";
import type { Conflict, PortChanges } from "./rules.ts";

/**
 * Grants each frontend to one port, for modes whose tables do not distinguish two Services with the
 * same frontend: the first that claims an address and port, or a node port, has it until it
 * releases it. External addresses are not granted if they are a cluster IP or an API server's, or
 * `isReserved`: tenants choose them (CVE-2020-8554). Pure.
 */
export class FrontendOwners {
  readonly #isReserved: (address: string) => boolean;
  readonly #ports = new Map<string, ServicePort>();
  /** The claimants of each frontend, the owner first. */
  readonly #claimants = new Groups();
  /** Ports by address: those whose cluster IP it is, and those that want it as an external one. */
  readonly #protected = new Groups();
  readonly #wanted = new Groups();

  constructor(isReserved: (address: string) => boolean) {
    this.#isReserved = isReserved;
  }

  /** Records changes; returns all ports whose grant they may affect, with the present grant. */
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
    const owns = (frontend: string) => this.#ownerOf(frontend) === key;
    const clusterIps = port.clusterIps.filter((ip) => owns(addressKey(port, ip)));
    const admits = (ip: string) => this.#protected.of(ip).size === 0 && !this.#isReserved(ip);
    const externalIps = port.externalIps.filter((ip) => admits(ip) && owns(addressKey(port, ip)));
    const { nodePort } = port;
    const hasNodePort = nodePort !== undefined && owns(nodePortKey(port, nodePort));
    return { ...port, clusterIps, externalIps, nodePort: hasNodePort ? nodePort : undefined };
  }

  /** Returns the frontends that a port claims and another has. */
  conflicts(key: string): Conflict[] {
    const port = this.#ports.get(key);
    return (port ? frontendsOf(port) : []).flatMap((frontend) => {
      const owner = this.#ownerOf(frontend) ?? key;
      return owner === key ? [] : [{ key: frontend, owner }];
    });
  }

  #ownerOf(frontend: string): string | undefined {
    const [owner] = this.#claimants.of(frontend);
    return owner;
  }

  #move(
    key: string,
    before: ServicePort | undefined,
    after: ServicePort | undefined,
    affected: Set<string>,
  ): void {
    const kept = new Set(after ? frontendsOf(after) : []);
    for (const frontend of before ? frontendsOf(before) : []) {
      if (kept.has(frontend)) continue;
      this.#claimants.delete(frontend, key);
      const owner = this.#ownerOf(frontend);
      if (owner !== undefined) affected.add(owner);
    }
    for (const frontend of kept) this.#claimants.add(frontend, key);
    for (const ip of before?.externalIps ?? []) this.#wanted.delete(ip, key);
    for (const ip of after?.externalIps ?? []) this.#wanted.add(ip, key);
    const old = new Set(before ? protectedBy(before) : []);
    const now = new Set(after ? protectedBy(after) : []);
    for (const ip of old) this.#protected.delete(ip, key);
    for (const ip of now) this.#protected.add(ip, key);
    for (const ip of old.symmetricDifference(now)) {
      for (const other of this.#wanted.of(ip)) affected.add(other);
    }
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
