import type { Timeline } from "../../../testing/timeline.ts";
import { LeaseBounds } from "../check/lease-bounds.ts";
import { type LeaseHistory, type LeaseSeen, leaseRead } from "../check/leases.ts";
import type { Applied, ReferenceLog } from "../check/reference.ts";

/** The leases that clients know, and the times at which the log ended them. */
export class LeaseBook {
  readonly #timeline: Timeline;
  readonly all = new Map<bigint, LeaseHistory>();
  /** Leases that the log grants, by the index of the grant. */
  readonly grants = new Map<number, { id: bigint; ttl_s: number }>();
  /** Leases that a client asked to renew, whether it was answered or not. */
  readonly asked = new Set<bigint>();
  /** Leases whose end no client has seen, by id. */
  #alive: bigint[] = [];
  /** Leases that a client asked to end: their end proves nothing about their time. */
  readonly #unwanted = new Set<bigint>();

  /** When leases ended in the log: one may be over before its grant was answered. */
  readonly #ended = new Map<bigint, number>();

  readonly #reference: Pick<ReferenceLog, "state">;
  readonly bounds: LeaseBounds;

  constructor(timeline: Timeline, reference: Pick<ReferenceLog, "state">, drift_max: number) {
    this.#timeline = timeline;
    this.#reference = reference;
    this.bounds = new LeaseBounds(drift_max);
  }

  /** A client asks about a lease: returns the check of the answer. */
  look(id: bigint, asked_ms: number): (seen: LeaseSeen) => void {
    const before = this.#reference.state;
    const promised_ms = this.bounds.promised_ms(id);
    return (seen) => {
      leaseRead(seen, before, this.#reference.state);
      if (seen.ttl_s === 0) return;
      const answered_ms = this.#timeline.now_ms;
      this.bounds.left(id, seen.left_s, { asked_ms, answered_ms, promised_ms });
    };
  }

  granted(id: bigint, ttl_s: number, asked_ms: number): void {
    const renewals = [{ asked_ms, answered_ms: this.#timeline.now_ms }];
    this.bounds.acknowledged(id, ttl_s, asked_ms);
    const ended_ms = this.#ended.get(id);
    this.all.set(id, { id, ttl_s, renewals, expired_ms: undefined, ended_ms });
    if (ended_ms === undefined) this.#alive = [...this.#alive, id];
  }

  renewed(id: bigint, asked_ms: number): void {
    const lease = this.all.get(id);
    lease?.renewals.push({ asked_ms, answered_ms: this.#timeline.now_ms });
    if (lease) this.bounds.acknowledged(id, lease.ttl_s, asked_ms);
  }

  alive(): readonly bigint[] {
    return this.#alive;
  }

  /** A client wants a lease to end. */
  unwanted(id: bigint): void {
    this.#unwanted.add(id);
  }

  /** The log has applied something for the first time. */
  applied({ index, input, answer }: Applied): void {
    if (!answer.startsWith("@")) return;
    if (input.kind === "lease-grant") {
      const { ID: id, TTL: ttl_s } = input.request;
      this.grants.set(index, { id, ttl_s });
    }
    if (input.kind !== "lease-revoke") return;
    const { ID } = input.request;
    const lease = this.all.get(ID);
    this.#ended.set(ID, this.#timeline.now_ms);
    if (!lease || lease.ended_ms !== undefined) return;
    lease.ended_ms = this.#timeline.now_ms;
    this.#alive = this.#alive.filter((id) => id !== ID);
    if (!this.#unwanted.has(lease.id)) lease.expired_ms = lease.ended_ms;
  }
}
