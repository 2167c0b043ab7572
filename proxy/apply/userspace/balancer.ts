import type { Clock } from "@raft2kube/std/clock.ts";
import { AFFINITY_CLIENTS } from "../../limits.ts";
import { keyOf, type Target } from "../../plan/model.ts";

/** Chooses endpoints in turn, and keeps a client at its endpoint with session affinity. */
export class Balancer {
  readonly #clock: Pick<Clock, "monotonic">;
  #targets: readonly Target[] = [];
  #affinity_s: number | undefined;
  #next = 0;
  /** The endpoint of each client and when it last chose it, the oldest first. */
  readonly #clients = new Map<string, { target: string; at_ms: number }>();

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  update(targets: readonly Target[], affinity_s: number | undefined): void {
    this.#targets = targets;
    if (affinity_s !== this.#affinity_s) this.#clients.clear();
    this.#affinity_s = affinity_s;
  }

  /** Returns the endpoints in the order in which to try them, each once. */
  order(client: string): Target[] {
    // lab:14a begin order
    const targets = this.#targets;
    const first = targets.length === 0 ? 0 : this.#next++ % targets.length;
    const turn = [...targets.slice(first), ...targets.slice(0, first)];
    const known = this.#known(client);
    const sticky = turn.findIndex((target) => keyOf(target) === known);
    return sticky < 1 ? turn : [...turn.splice(sticky, 1), ...turn];
    // lab:14a end
  }

  /** Records the endpoint that served a client. */
  remember(client: string, target: Target): void {
    // lab:14a begin remember
    if (this.#affinity_s === undefined) return;
    this.#clients.delete(client);
    this.#clients.set(client, { target: keyOf(target), at_ms: this.#clock.monotonic() });
    if (this.#clients.size <= AFFINITY_CLIENTS) return;
    const [oldest] = this.#clients.keys();
    if (oldest !== undefined) this.#clients.delete(oldest);
    // lab:14a end
  }

  #known(client: string): string | undefined {
    const known = this.#clients.get(client);
    if (!known || this.#affinity_s === undefined) return undefined;
    if (this.#clock.monotonic() - known.at_ms < this.#affinity_s * 1000) return known.target;
    this.#clients.delete(client);
    return undefined;
  }
}
