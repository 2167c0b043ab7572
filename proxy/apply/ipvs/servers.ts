import { setImmediate } from "node:timers/promises";
import { Ipvs, type VirtualServer } from "@raft2kube/linux/ipvs.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { LEAVING_CHECK_MS, SERVERS_PER_TURN } from "../../limits.ts";
import { type DestinationSteps, keyOf, planDestinations } from "./destinations.ts";
import { serverName, type WantedServer } from "./state.ts";

/**
 * The virtual servers of this namespace. A destination that is no longer wanted gets weight 0 while
 * it has connections, and is removed after the last.
 */
export class VirtualServers {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Destinations with weight 0, by the name of their virtual server. */
  readonly #leaving = new Map<string, { server: VirtualServer; targets: Set<string> }>();
  #timer: Timer | undefined;

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock;
    this.#log = log;
  }

  /** Makes all virtual servers those that are wanted. */
  async rebuild(wanted: ReadonlyMap<string, WantedServer>): Promise<void> {
    using ipvs = new Ipvs();
    for (const server of ipvs.servers()) {
      if (!wanted.has(serverName(server))) this.#delete(ipvs, server);
    }
    await this.#setAll(ipvs, [...wanted.values()]);
  }

  async change(set: readonly WantedServer[], removed: readonly WantedServer[]): Promise<void> {
    using ipvs = new Ipvs();
    for (const { server } of removed) this.#delete(ipvs, server);
    await this.#setAll(ipvs, set);
  }

  /** Whether the kernel has all virtual servers with their destinations. */
  isIntact(wanted: ReadonlyMap<string, WantedServer>): boolean {
    using ipvs = new Ipvs();
    const found = new Set(ipvs.servers().map((server) => serverName(server)));
    if (found.size !== wanted.size) return false;
    return [...wanted].every(([name, { server, targets }]) => {
      if (!found.has(name)) return false;
      const there = ipvs.destinations(server).filter(({ weight }) => weight > 0).map(keyOf);
      return there.length === targets.length && targets.every((one) => there.includes(keyOf(one)));
    });
  }

  close(): void {
    this.#timer?.cancel();
  }

  async #setAll(ipvs: Ipvs, wanted: readonly WantedServer[]): Promise<void> {
    for (const [at, item] of wanted.entries()) {
      if (at % SERVERS_PER_TURN === SERVERS_PER_TURN - 1) await setImmediate();
      this.#set(ipvs, item);
    }
  }

  #set(ipvs: Ipvs, { server, targets }: WantedServer): void {
    ipvs.setServer(server);
    this.#step(ipvs, server, planDestinations(
      server.protocol, targets, ipvs.destinations(server),
    ));
  }

  #step(ipvs: Ipvs, server: VirtualServer, { set, removed, leaving }: DestinationSteps): void {
    for (const destination of set) ipvs.setDestination(server, destination);
    for (const target of removed) ipvs.deleteDestination(server, target);
    const name = serverName(server);
    if (leaving.length === 0) {
      this.#leaving.delete(name);
      return;
    }
    this.#leaving.set(name, { server, targets: new Set(leaving.map(keyOf)) });
    this.#checkLater();
  }

  #delete(ipvs: Ipvs, server: VirtualServer): void {
    this.#leaving.delete(serverName(server));
    ipvs.deleteServer(server);
  }

  #checkLater(): void {
    this.#timer ??= this.#clock.after(LEAVING_CHECK_MS, () => {
      this.#timer = undefined;
      try {
        this.#check();
      } catch (thrown) {
        this.#log.warn("destinations could not be removed", { error: messageOf(thrown) });
      }
      if (this.#leaving.size > 0) this.#checkLater();
    });
  }

  #check(): void {
    using ipvs = new Ipvs();
    for (const { server, targets } of [...this.#leaving.values()]) {
      const found = ipvs.destinations(server).filter((one) => targets.has(keyOf(one)));
      this.#step(ipvs, server, planDestinations(server.protocol, [], found));
    }
  }
}
