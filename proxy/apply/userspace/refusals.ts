import type { Clock } from "@raft2kube/std/clock.ts";
import { UDP_KEPT_MS, UDP_REFUSALS_MAX, UDP_REFUSALS_OF_ENDPOINT_MAX } from "../../limits.ts";

/**
 * The refusals of UDP endpoints within UDP_KEPT_MS, by client: each costs a socket, which is closed
 * with it, and a client may send thousands of packets a second.
 */
export class Refusals {
  readonly #clock: Pick<Clock, "monotonic">;
  /** Refusals of each client, and of each client by each endpoint, since `#since_ms`. */
  readonly #counts = new Map<string, number>();
  #since_ms = 0;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Notes that an endpoint, as `keyOf` names it, refused a packet of a client's address. */
  note(client: string, endpoint: string): void {
    this.#forgetEarlier();
    for (const key of [client, `${client} ${endpoint}`]) {
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
  }

  /** Whether a client gets no further socket for now, to an endpoint or, without one, to any. */
  has(client: string, endpoint?: string): boolean {
    this.#forgetEarlier();
    const key = endpoint === undefined ? client : `${client} ${endpoint}`;
    const most = endpoint === undefined ? UDP_REFUSALS_MAX : UDP_REFUSALS_OF_ENDPOINT_MAX;
    return (this.#counts.get(key) ?? 0) >= most;
  }

  #forgetEarlier(): void {
    const now_ms = this.#clock.monotonic();
    if (this.#counts.size === 0 || now_ms - this.#since_ms < UDP_KEPT_MS) return;
    this.#counts.clear();
    this.#since_ms = now_ms;
  }
}
