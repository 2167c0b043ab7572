import { isWithoutSelector, needsNodePort } from "@raft2kube/api/core/v1/service/defaults.ts";
import { type FieldError, invalid as invalidField } from "@raft2kube/api/errors.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { invalid } from "@raft2kube/apimachinery/errors/catalog.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Controller } from "../../periodic.ts";
import type { Allocation, Reservation } from "../../resource/allocation.ts";
import { ClusterIps } from "./cluster-ips.ts";
import { NodePorts } from "./node-ports.ts";
import { ServiceRepair } from "./repair.ts";
import { heldAddress, heldPorts, type Service, wantsAddress, wantsHealthPort } from "./service.ts";
import type { ServiceWriter } from "./service-writer.ts";

const log = logger("apiserver");

/** The family of the addresses that Services get. */
const FAMILY = "IPv4";

/**
 * Lets writes of Services reserve their addresses and ports; returns what makes those that are
 * there agree, and mends them from time to time.
 */
export function allocateServices(writer: ServiceWriter): Controller {
  const resource = writer.resources.of("v1", "services");
  const addresses = new ClusterIps(writer);
  const ports = new NodePorts(writer);
  resource.allocation = new ServiceAllocation(addresses, ports);
  return new ServiceRepair(writer, resource, addresses, ports);
}

/** The same where another thread of this server does the mending. */
export function reserveForServices(writer: ServiceWriter): void {
  const allocation = new ServiceAllocation(new ClusterIps(writer), new NodePorts(writer));
  writer.resources.of("v1", "services").allocation = allocation;
}

class ServiceAllocation implements Allocation {
  readonly #addresses: ClusterIps;
  readonly #ports: NodePorts;

  constructor(addresses: ClusterIps, ports: NodePorts) {
    this.#addresses = addresses;
    this.#ports = ports;
  }

  async reserve(
    object: KubeObject,
    old: KubeObject | undefined,
    dryRun: boolean,
  ): Promise<Reservation> {
    const service = object as Service;
    const before = old as Service | undefined;
    settleFamilies(service);
    if (dryRun) return await this.#rehearse(service, before);
    const address = await this.#reserveAddress(service, before);
    let ports: number[];
    try {
      ports = await this.#reservePorts(service, before);
    } catch (thrown) {
      if (address !== undefined) await this.#addresses.release(address, service);
      throw thrown;
    }
    return {
      giveBack: async () => await this.#free(service, address, ports),
      settle: async () => {
        const held = heldAddress(before);
        const left = held === heldAddress(service) ? undefined : held;
        const kept = heldPorts(service);
        await this.#free(
          service,
          left,
          [...heldPorts(before)].filter((port) => !kept.has(port)),
        );
      },
    };
  }

  /** Computes the reservation of a dry run, without reserving anything. */
  async #rehearse(service: Service, before: Service | undefined): Promise<Reservation> {
    const wanted = service.spec.clusterIP ?? "";
    if (wantsAddress(service) && wanted === "") {
      const address = await this.#addresses.free(service);
      service.spec.clusterIP = address;
      service.spec.clusterIPs = [address];
    } else if (wantsAddress(service) && wanted !== heldAddress(before)) {
      await this.#addresses.rehearse(service, wanted);
    }
    const { asked, open, health } = portsWanted(service, before);
    const free = await this.#ports.free(service, asked, open.length + (health ? 1 : 0));
    givePorts(service, open, health, free);
    return { giveBack: async () => undefined, settle: async () => undefined };
  }

  async release(object: KubeObject): Promise<void> {
    const service = object as Service;
    await this.#free(service, heldAddress(service), [...heldPorts(service)]);
  }

  /** The write that these belong to is over: what cannot be freed now the repair frees. */
  async #free(
    service: Service,
    address: string | undefined,
    ports: readonly number[],
  ): Promise<void> {
    try {
      if (address !== undefined) await this.#addresses.release(address, service);
      await this.#ports.release(ports);
    } catch (thrown) {
      if (!(thrown instanceof EtcdError)) throw thrown;
      log.warn("reservations stay for now", { address, ports, reason: thrown.message });
    }
  }

  /** The address newly taken, undefined when the Service has or keeps what it needs. */
  async #reserveAddress(service: Service, before: Service | undefined) {
    if (!wantsAddress(service)) return undefined;
    const asked = service.spec.clusterIP ?? "";
    if (asked !== "" && asked === heldAddress(before)) return undefined;
    const address = asked === "" ? await this.#addresses.takeAny(service) : asked;
    if (asked !== "") await this.#addresses.take(service, asked);
    service.spec.clusterIP = address;
    service.spec.clusterIPs = [address];
    return address;
  }

  /** The ports newly taken, those asked for and those chosen. */
  async #reservePorts(service: Service, before: Service | undefined): Promise<number[]> {
    const { asked, open, health } = portsWanted(service, before);
    const free = await this.#ports.take(service, asked, open.length + (health ? 1 : 0));
    givePorts(service, open, health, free);
    return [...asked, ...free];
  }
}

type Open = { nodePort?: number };

/** The node ports that a Service names and did not hold, and its places that want one. */
function portsWanted(service: Service, before: Service | undefined) {
  const held = heldPorts(before);
  const asked = [...heldPorts(service)].filter((port) => !held.has(port));
  const { ports = [], healthCheckNodePort } = service.spec;
  const open: Open[] = needsNodePort(service) ? ports.filter((port) => !port.nodePort) : [];
  return { asked, open, health: wantsHealthPort(service) && !healthCheckNodePort };
}

function givePorts(
  service: Service,
  open: readonly Open[],
  health: boolean,
  free: readonly number[],
): void {
  for (const [index, port] of open.entries()) port.nodePort = free[index]!;
  if (health) service.spec.healthCheckNodePort = free.at(-1)!;
}

/** This cluster has one family of addresses; a Service that asks for another is refused. */
function settleFamilies(service: Service): void {
  const { spec } = service;
  if (spec.type === "ExternalName") return;
  const findings = isWithoutSelector(service) ? [] : familyFindings(service);
  if (findings.length > 0) {
    throw invalid({ group: "", name: "Service" }, service.metadata.name ?? "", findings);
  }
  spec.ipFamilies ??= [FAMILY];
  spec.ipFamilyPolicy ??= "SingleStack";
  if (spec.clusterIP === "None") spec.clusterIPs ??= ["None"];
}

function familyFindings({ spec }: Service): FieldError[] {
  const dual = "this cluster is not configured for dual-stack services";
  const other = "not configured on this cluster";
  return [
    ...(spec.ipFamilyPolicy === "RequireDualStack"
      ? [invalidField("spec.ipFamilyPolicy", spec.ipFamilyPolicy, dual)]
      : []),
    ...(spec.ipFamilies ?? []).flatMap((family, index) =>
      family === FAMILY ? [] : [invalidField(`spec.ipFamilies[${index}]`, family, other)],
    ),
  ];
}
