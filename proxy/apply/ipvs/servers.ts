import { existsSync } from "node:fs";
import { type Destination, Ipvs, type VirtualServer } from "@raft2kube/linux/netfilter/ipvs.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { inSlices } from "@raft2kube/std/slices.ts";
import { LEAVING_CHECK_MS } from "../../limits.ts";
import { keyOf } from "../../plan/model.ts";
import { type DestinationSteps, planDestinations } from "./destinations.ts";
import { serverName, type WantedServer } from "./state.ts";

/**
 * Our virtual servers of this namespace, which the kernel has with a mark; those of other programs
 * stay as they are. A destination that is no longer wanted gets weight 0 while it has connections,
 * and is removed after the last.
 */
export class VirtualServers {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Destinations with weight 0, by the name of their virtual server. */
  readonly #leaving = new Map<string, { server: VirtualServer; targets: Set<string> }>();
  /** Names that are wanted, and that another program has. */
  readonly #taken = new Set<string>();
  /** Destinations that the kernel refuses, by the name of their virtual server. */
  readonly #refused = new Map<string, Set<string>>();
  #timer: Timer | undefined;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Removes our virtual servers that are not wanted. */
  removeOthers(wanted: ReadonlyMap<string, WantedServer>): void {
    using ipvs = new Ipvs();
    for (const name of this.#taken) if (!wanted.has(name)) this.#taken.delete(name);
    for (const server of ipvs.servers()) {
      if (!wanted.has(serverName(server))) this.#delete(ipvs, server);
    }
  }

  async change(set: readonly WantedServer[], removed: readonly WantedServer[]): Promise<void> {
    using ipvs = new Ipvs();
    for (const { server } of removed) this.#delete(ipvs, server);
    await this.#setAll(ipvs, set);
  }

  /** Whether the kernel has all of our virtual servers with their destinations, and no more. */
  async isIntact(wanted: ReadonlyMap<string, WantedServer>): Promise<boolean> {
    using ipvs = new Ipvs();
    const found = new Map(ipvs.servers().map((server) => [serverName(server), server]));
    if ([...found].some(([name, { marked }]) => marked && !wanted.has(name))) return false;
    return await inSlices(this.#comparing(ipvs, wanted, found));
  }

  *#comparing(
    ipvs: Ipvs,
    wanted: ReadonlyMap<string, WantedServer>,
    found: ReadonlyMap<string, VirtualServer>,
  ): Generator<void, boolean> {
    for (const [name, { server, targets }] of wanted) {
      yield;
      const there = found.get(name);
      const isTaken = this.#taken.has(name);
      if (there && !there.marked && isTaken) continue;
      if (!there?.marked || isTaken) return false;
      const used = ipvs.destinations(server).filter(({ weight }) => weight > 0);
      const usedKeys = new Set(used.map(keyOf));
      const taken = targets.map(keyOf).filter((key) => !this.#refused.get(name)?.has(key));
      if (used.length !== taken.length || !taken.every((key) => usedKeys.has(key))) return false;
    }
    return true;
  }

  close(): void {
    this.#leaving.clear();
    this.#timer?.cancel();
  }

  async #setAll(ipvs: Ipvs, wanted: readonly WantedServer[]): Promise<void> {
    await inSlices(this.#setting(ipvs, wanted));
  }

  /** Yields before each call to the kernel: there are thousands for a Service of many endpoints. */
  *#setting(ipvs: Ipvs, wanted: readonly WantedServer[]): Generator<void, void> {
    for (const { server, targets } of wanted) {
      yield;
      if (this.#isTaken(ipvs, server)) continue;
      this.#refused.delete(serverName(server));
      ipvs.setServer({ ...server, marked: true });
      const found = ipvs.destinations(server);
      yield* this.#step(ipvs, server, planDestinations(server.protocol, targets, found));
    }
  }

  *#step(
    ipvs: Ipvs,
    server: VirtualServer,
    { set, removed, leaving }: DestinationSteps,
  ): Generator<void, void> {
    const name = serverName(server);
    // Until the end: a check between two steps would remove those that are wanted again.
    this.#leaving.delete(name);
    for (const destination of set) {
      yield;
      this.#setDestination(ipvs, server, destination);
    }
    for (const target of removed) {
      yield;
      ipvs.deleteDestination(server, target);
    }
    if (leaving.length === 0) return;
    this.#leaving.set(name, { server, targets: new Set(leaving.map(keyOf)) });
    this.#checkLater();
  }

  /**
   * Adds a destination, if the kernel takes its address: it refuses the broadcast address of a
   * network that the node is in, which a pod's status may have.
   */
  #setDestination(ipvs: Ipvs, server: VirtualServer, destination: Destination): void {
    const name = serverName(server);
    try {
      ipvs.setDestination(server, destination);
    } catch (thrown) {
      if (!isErrno(thrown, "EINVAL")) throw thrown;
      const refused = this.#refused.get(name) ?? new Set();
      this.#refused.set(name, refused.add(keyOf(destination)));
      if (refused.size > 1) return;
      this.#log.warn("an endpoint is not served: the kernel refuses its address", {
        server: name,
        endpoint: keyOf(destination),
      });
    }
  }

  #delete(ipvs: Ipvs, server: VirtualServer): void {
    this.#leaving.delete(serverName(server));
    this.#refused.delete(serverName(server));
    this.#taken.delete(serverName(server));
    if (ipvs.find(server)?.marked) ipvs.deleteServer(server);
  }

  /** Whether another program has that virtual server. Logged once. */
  #isTaken(ipvs: Ipvs, server: VirtualServer): boolean {
    const name = serverName(server);
    const there = ipvs.find(server);
    if (!there || there.marked) {
      this.#taken.delete(name);
      return false;
    }
    if (!this.#taken.has(name)) {
      this.#log.warn("a virtual server without our mark is where a Service's would be; it stays", {
        server: name,
        remedy: "if no program needs it: ipvsadm -D",
      });
    }
    this.#taken.add(name);
    this.#leaving.delete(name);
    return true;
  }

  #checkLater(): void {
    this.#timer ??= this.#clock.after(LEAVING_CHECK_MS, () => {
      this.#timer = undefined;
      const failed = (thrown: unknown) => {
        this.#log.warn("destinations could not be removed", { error: messageOf(thrown) });
      };
      void inSlices(this.#checking())
        .catch(failed)
        .then(() => this.#leaving.size > 0 && this.#checkLater());
    });
  }

  /** One virtual server in each step: a change meanwhile finds none half checked. */
  *#checking(): Generator<void, void> {
    using ipvs = new Ipvs();
    for (const name of [...this.#leaving.keys()]) {
      yield;
      const leaving = this.#leaving.get(name);
      if (!leaving) continue;
      const { server, targets } = leaving;
      if (!ipvs.find(server)?.marked) {
        this.#leaving.delete(name);
        continue;
      }
      const found = ipvs.destinations(server).filter((one) => targets.has(keyOf(one)));
      Array.from(this.#step(ipvs, server, planDestinations(server.protocol, [], found)));
    }
  }
}

/** The kernel's list of a namespace's virtual servers; there only if it has IPVS already. */
const LIST = "/proc/thread-self/net/ip_vs";

/** Whether this namespace has virtual servers of ours. Has the kernel load nothing. */
export function hasServers(): boolean {
  if (!existsSync(LIST)) return false;
  using ipvs = new Ipvs();
  return ourServers(ipvs).length > 0;
}

/** Deletes our virtual servers. */
export function deleteAllServers(): void {
  using ipvs = new Ipvs();
  for (const server of ourServers(ipvs)) ipvs.deleteServer(server);
}

/**
 * Returns our virtual servers. There are none where the kernel does not list them for this process:
 * it asks for the same capability for making one, of the user namespace that it started with.
 */
export function ourServers(ipvs: Pick<Ipvs, "servers">): VirtualServer[] {
  return tolerateSync(() => ipvs.servers().filter(({ marked }) => marked), errno("EPERM")) ?? [];
}
