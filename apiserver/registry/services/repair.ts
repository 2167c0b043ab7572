import type { Runner } from "@raft2kube/reconcile/runner.ts";
import { mapInSlices } from "@raft2kube/std/slices.ts";
import { REPAIR_INTERVAL_MS, REPAIRS_UNTIL_RELEASE } from "../../limits.ts";
import type { Entry } from "../../object/entry.ts";
import { type Controller, periodic } from "../../periodic.ts";
import type { Resource } from "../../resource/resource.ts";
import { InternalEvents, type Warning } from "../internal-events.ts";
import { type AddressPlan, type Leak, type Mend, planAddresses } from "./address-plan.ts";
import type { ClusterIps } from "./cluster-ips.ts";
import type { NodePorts } from "./node-ports.ts";
import { heldPorts, reservingPart, type Service } from "./service.ts";
import type { ServiceWriter } from "./service-writer.ts";

/**
 * Repairs reservations after a crash between two writes. An address or port that a Service uses
 * without a reservation is reserved immediately; a reservation without a Service may belong to a
 * write in progress on another server, so it is released only after REPAIRS_UNTIL_RELEASE.
 */
export class ServiceRepair implements Controller {
  readonly #services: Resource;
  readonly #addresses: ClusterIps;
  readonly #ports: NodePorts;
  /** Number of repairs since which each reservation has had no Service. */
  #unheldAddresses = new Map<string, number>();
  #unheldPorts = new Map<number, number>();
  /** Warnings of the last round that nothing but a user can end: each is recorded once. */
  #standing = new Set<string>();
  readonly #events: InternalEvents;
  readonly #mending: Runner;

  constructor(writer: ServiceWriter, services: Resource, addresses: ClusterIps, ports: NodePorts) {
    this.#services = services;
    this.#addresses = addresses;
    this.#ports = ports;
    this.#events = new InternalEvents(
      writer,
      "ipallocator-repair-controller",
      "ClusterIPAllocation",
    );
    this.#mending = periodic(
      writer.clock,
      "reservations of Services were not mended",
      REPAIR_INTERVAL_MS,
      () => this.#repair(),
      REPAIR_INTERVAL_MS,
    );
  }

  async start(): Promise<void> {
    await this.#repair();
    this.#mending.request(REPAIR_INTERVAL_MS);
  }

  async close(): Promise<void> {
    await this.#mending.close();
  }

  /** Compares once. Reservations are read before Services, so that none of these seems unheld. */
  async #repair(): Promise<void> {
    const addresses = await this.#addresses.objects();
    const ports = await this.#ports.taken();
    const cache = (await this.#services.freshCache()) ?? (await this.#services.cache());
    const partOf = (entry: Entry) => reservingPart(entry.object<Service>());
    const services = await mapInSlices(cache.list(), partOf);
    const ranges = await this.#addresses.ranges.all();
    await this.#mendAddresses(planAddresses(services, addresses, ranges));
    await this.#mendPorts(ports, services);
  }

  async #mendAddresses({ mends, leaks, warnings }: AddressPlan): Promise<void> {
    for (const mend of mends) await this.#mend(mend);
    const byKey = new Map(leaks.map((leak) => [leakKey(leak), leak]));
    const { again, over } = counted(byKey.keys(), this.#unheldAddresses);
    this.#unheldAddresses = again;
    for (const key of over) await this.#free(byKey.get(key)!);
    const before = this.#standing;
    this.#standing = new Set(warnings.map(warningKey));
    for (const warning of warnings) {
      if (!before.has(warningKey(warning))) await this.#events.warn(warning);
    }
  }

  /** Another server may mend the same: the one whose write is made warns of it. */
  async #mend({ service, address, replaces, warning }: Mend): Promise<void> {
    if (replaces !== undefined) await this.#addresses.releaseObject(replaces);
    if (!(await this.#addresses.mark(service, address))) return;
    await this.#events.warn(warning);
  }

  async #free({ address, warning }: Leak): Promise<void> {
    if (!(await this.#addresses.releaseObject(address))) return;
    await this.#events.warn(warning);
  }

  async #mendPorts(taken: Set<number>, services: readonly Service[]): Promise<void> {
    const held = new Set(services.flatMap((service) => [...heldPorts(service)]));
    await this.#ports.mark([...held].filter((port) => !taken.has(port)));
    const unheld = [...taken].filter((port) => !held.has(port));
    const { again, over } = counted(unheld, this.#unheldPorts);
    this.#unheldPorts = again;
    await this.#ports.release(over);
  }
}

const leakKey = ({ address: { metadata } }: Leak): string => `${metadata.name} ${metadata.uid}`;

const warningKey = ({ about, reason, message }: Warning): string =>
  `${about.metadata.uid} ${reason} ${message}`;

/** Counts one more repair for reservations still without a Service; `over` are those to release. */
function counted<T>(unheld: Iterable<T>, before: ReadonlyMap<T, number>) {
  const again = new Map<T, number>();
  const over: T[] = [];
  for (const each of unheld) {
    const repairs = (before.get(each) ?? 0) + 1;
    if (repairs >= REPAIRS_UNTIL_RELEASE) over.push(each);
    else again.set(each, repairs);
  }
  return { again, over };
}
