import type { LeaseHistory } from "../check/leases.ts";
import type { Applied } from "../check/reference.ts";
import type { Timeline } from "../../../testing/timeline.ts";

/** The leases that clients know, and the times at which the log ended them. */
export class LeaseBook {
  readonly #timeline: Timeline;
  readonly all = new Map<bigint, LeaseHistory>();
  /** Leases whose end no client has seen, by id. */
  #alive: bigint[] = [];
  /** Leases that a client asked to end: their end proves nothing about their time. */
  readonly #unwanted = new Set<bigint>();

  /** When leases ended in the log: one may be over before its grant was answered. */
  readonly #ended = new Map<bigint, number>();

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  granted(id: bigint, ttl_s: number, asked_ms: number): void {
    const renewals = [{ asked_ms, answered_ms: this.#timeline.now_ms }];
    const ended_ms = this.#ended.get(id);
    this.all.set(id, { id, ttl_s, renewals, expired_ms: undefined, ended_ms });
    if (ended_ms === undefined) this.#alive = [...this.#alive, id];
  }

  renewed(id: bigint, asked_ms: number): void {
    this.all.get(id)?.renewals.push({ asked_ms, answered_ms: this.#timeline.now_ms });
  }

  alive(): readonly bigint[] {
    return this.#alive;
  }

  /** A client wants a lease to end. */
  unwanted(id: bigint): void {
    this.#unwanted.add(id);
  }

  /** The log has applied something for the first time. */
  applied({ input, answer }: Applied): void {
    if (input.kind !== "lease-revoke" || !answer.startsWith("@")) return;
    const { ID } = input.request;
    const lease = this.all.get(ID);
    this.#ended.set(ID, this.#timeline.now_ms);
    if (!lease || lease.ended_ms !== undefined) return;
    lease.ended_ms = this.#timeline.now_ms;
    this.#alive = this.#alive.filter((id) => id !== ID);
    if (!this.#unwanted.has(lease.id)) lease.expired_ms = lease.ended_ms;
  }
}
