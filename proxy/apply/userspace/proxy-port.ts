import type { Logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import { UDP_KEPT_MS } from "../../limits.ts";
import type { Target } from "../../plan/model.ts";
import { Refusals } from "./refusals.ts";

/** A port of this process whose connections are passed on to endpoints of a Service port. */
export interface ProxyPort {
  readonly transport: "tcp" | "udp";
  readonly port: number;
  /**
   * The endpoints of later connections; earlier ones stay where they are, those of UDP if it is one
   * of these or of `kept`.
   */
  update(
    targets: readonly Target[],
    affinity_s: number | undefined,
    kept?: readonly Target[],
  ): void;
  /** Stops accepting; `now`: ends the connections, too. */
  close(now: boolean): void;
}

/** The parts that a proxy port needs. */
export interface PortContext {
  readonly clock: Clock;
  readonly budget: Budget;
  readonly log: Logger;
  /** The addresses to connect from; by default the node's. */
  readonly clients?: { of(client: string): Promise<string | undefined> };
  /** Time without traffic after which a connection ends; by default TCP's stay, UDP's a minute. */
  readonly idle_ms?: number | undefined;
}

/** The bounds of a budget, and the log that reports it as used up. */
export interface BudgetOptions {
  most: number;
  /**
   * Connections of one client's address; by default all, and then no connection makes room: on
   * loopback a client has any number of addresses.
   */
  mostPerClient?: number;
  /** A budget of which each of this one also takes one. */
  within?: Budget;
  clock: Pick<Clock, "monotonic">;
  log: Pick<Logger, "warn">;
}

/**
 * Counts what is under way in all proxy ports, against one bound, and of each client against a part
 * of it: also of a Service whose endpoint is its own address, whose client is this node.
 */
export class Budget {
  /** Refusals of what was taken. */
  readonly refusals: Refusals;
  readonly #options: BudgetOptions;
  readonly #shares: Shares;
  /** The `end`s of what makes room, and when each was used, by client: the longest unused first. */
  readonly #ends = new Map<string, Map<() => void, number>>();
  readonly #logRefusal: ReturnType<typeof recurring>;

  constructor(options: BudgetOptions) {
    this.#options = options;
    this.refusals = new Refusals(options.clock);
    const { most: all, mostPerClient: each = all, log, clock } = options;
    this.#shares = new Shares({ all, each, reserved: 0 });
    this.#logRefusal = recurring(log, "connections are refused: too many are under way", clock);
  }

  /**
   * Takes one for a client's address. Returns how to give it back; undefined: none is left. Where
   * all are taken it gets the room of one with an `end`, which gives it back: of the client with
   * most, if that has more, the longest unused; else of its own, unless `keepsOwn`, if that was not
   * used for UDP_KEPT_MS.
   */
  take(name: string, end?: () => void, keepsOwn = !end): (() => void) | undefined {
    if (!this.#fits(name)) this.#endOne(name, keepsOwn);
    const { within } = this.#options;
    if (!this.#shares.fits({ name })) {
      return void this.#logRefusal({ client: name, ofAll: this.#shares.taken });
    }
    const giveBack = within?.take(name);
    if (within && !giveBack) return undefined;
    const give = this.#shares.take({ name });
    if (end) {
      const own = this.#ends.get(name) ?? new Map<() => void, number>();
      this.#ends.set(name, own.set(end, this.#options.clock.monotonic()));
    }
    return () => {
      give();
      giveBack?.();
      const own = this.#ends.get(name);
      if (end && own?.delete(end) && own.size === 0) this.#ends.delete(name);
    };
  }

  /** Notes that what `end` ends was used. */
  use(name: string, end: () => void): void {
    const own = this.#ends.get(name);
    if (own?.delete(end)) own.set(end, this.#options.clock.monotonic());
  }

  #fits(name: string): boolean {
    const { within } = this.#options;
    return this.#shares.fits({ name }) && (!within || within.#fits(name));
  }

  #isWithinShare(name: string): boolean {
    const { within } = this.#options;
    return this.#shares.isWithinShare({ name }) && (!within || within.#isWithinShare(name));
  }

  #endOne(name: string, keepsOwn: boolean): void {
    const own = this.#ends.get(name) ?? new Map<() => void, number>();
    const { mostPerClient, clock } = this.#options;
    let most = own;
    if (this.#isWithinShare(name) && (mostPerClient !== undefined || !keepsOwn)) {
      // By two or more, or two clients would take each other's.
      const enough = this.#shares.of(name) + 1;
      for (const each of this.#ends.values()) {
        if (each.size > Math.max(enough, most.size)) most = each;
      }
    }
    const [[end, used_ms = 0] = []] = most;
    // A flood of new ones is refused, which costs less than a socket for each.
    const isInUse = keepsOwn || clock.monotonic() - used_ms < UDP_KEPT_MS;
    if (most !== own || !isInUse) end?.();
  }
}

/**
 * Returns the address to connect from to an endpoint, for a client. A client that is the endpoint
 * sees the node: a pod drops packets with its own address as their source.
 */
export async function sourceOf(
  { clients }: Pick<PortContext, "clients">,
  client: string,
): Promise<(endpoint: Target) => string | undefined> {
  const source = await clients?.of(client);
  return ({ address }) => (address === client ? undefined : source);
}
