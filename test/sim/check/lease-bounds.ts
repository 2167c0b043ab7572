import type { KvState } from "../../../testing/history/kv-state.ts";
import { require } from "../../../testing/violation.ts";

/** When a leader was asked what is left of a lease and answered, and what was promised before. */
export interface Look {
  readonly asked_ms: number;
  readonly answered_ms: number;
  readonly promised_ms: number;
}

/**
 * The bounds of a lease's life (S7, SPEC.md "Leases"): it lives for its TTL after each acknowledged
 * renewal. A grant and a renewal give it its TTL,
 * and a leader that starts what the last checkpoint in the log left, or else its TTL, and an
 * election timeout; nothing else extends it. Times are true ones.
 */
export class LeaseBounds {
  /** When each lease ends at the latest, and at the earliest. */
  readonly #until = new Map<bigint, number>();
  readonly #promised = new Map<bigint, number>();
  /** Members' clocks run at most this much faster or slower than true time. */
  readonly #drift_max: number;

  constructor(drift_max: number) {
    this.#drift_max = drift_max;
  }

  /** A leader's clock starts for the leases that it has applied. */
  began(leases: KvState["leases"], election_ms: number, now_ms: number): void {
    for (const [id, { ttl_s, remaining_s }] of leases) {
      this.#extend(id, now_ms, (remaining_s || ttl_s) * 1000 + election_ms);
    }
  }

  /** A leader applied the grant of a lease, or renewed it. */
  granted(id: bigint, ttl_s: number, now_ms: number): void {
    this.#extend(id, now_ms, ttl_s * 1000);
  }

  /** A leader renewed a lease, which must not be over. */
  renewed(id: bigint, ttl_s: number, now_ms: number): void {
    const until_ms = this.#until.get(id) ?? -Infinity;
    const message = () => `lease ${id} is renewed at ${now_ms}, until ${until_ms} due`;
    require(now_ms <= until_ms, "lease bound", message);
    this.granted(id, ttl_s, now_ms);
  }

  /** A client got the answer to its grant or renewal. */
  acknowledged(id: bigint, ttl_s: number, asked_ms: number): void {
    const until_ms = asked_ms + (ttl_s * 1000) / (1 + this.#drift_max);
    this.#promised.set(id, Math.max(until_ms, this.promised_ms(id)));
  }

  /** How long a lease lives at least. */
  promised_ms(id: bigint): number {
    return this.#promised.get(id) ?? -Infinity;
  }

  #extend(id: bigint, now_ms: number, by_ms: number): void {
    const until_ms = now_ms + by_ms / (1 - this.#drift_max);
    this.#until.set(id, Math.max(until_ms, this.#until.get(id) ?? -Infinity));
  }

  /** A leader said that so many seconds, rounded up, are left. */
  left(id: bigint, left_s: number, { asked_ms, answered_ms, promised_ms }: Look): void {
    const latest_ms = answered_ms + Math.max(...this.#trueTimes(left_s));
    const early = () => `lease ${id} has ${left_s} s left at ${answered_ms}, not to ${promised_ms}`;
    require(latest_ms >= promised_ms, "lease kept", early);
    const ends_ms = asked_ms + Math.min(...this.#trueTimes(left_s - 1));
    const until_ms = this.#until.get(id) ?? -Infinity;
    const message = () => `lease ${id} has ${left_s} s left at ${asked_ms}, until ${until_ms} due`;
    require(ends_ms <= until_ms, "lease bound", message);
  }

  /** The true times in which the fastest and the slowest clock count `seconds`, ahead or past. */
  #trueTimes(seconds: number): [number, number] {
    const ms = seconds * 1000;
    return [ms / (1 + this.#drift_max), ms / (1 - this.#drift_max)];
  }

  /** The leases that exist now, in a cluster that is well: none is over by `slack_ms`. */
  alive(ids: Iterable<bigint>, slack_ms: number, now_ms: number): void {
    for (const id of ids) {
      const until_ms = this.#until.get(id) ?? -Infinity;
      const message = () => `lease ${id} lives at ${now_ms}, until ${until_ms} due`;
      require(now_ms <= until_ms + slack_ms, "lease ends", message);
    }
  }
}
