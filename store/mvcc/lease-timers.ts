import type { Clock } from "@raft2kube/std/clock.ts";
import type { Lease } from "./lease.ts";

interface Deadline {
  id: bigint;
  at_ms: number;
}

/**
 * When leases end, by this member's clock: kept by every member, acted on by the leader alone. A
 * renewal only moves the lease's deadline; the heap learns of it when the old deadline comes up.
 */
export class LeaseTimers {
  readonly #clock: Clock;
  readonly #deadlines = new Map<bigint, number>();
  readonly #heap: Deadline[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * A lease was granted, or found at start: it has its whole TTL, or what its last checkpoint
   * left.
   */
  started(lease: Lease): void {
    const left_s = lease.remaining_s > 0 ? lease.remaining_s : lease.ttl_s;
    this.#set(lease.id, this.#clock.monotonic() + left_s * 1000);
  }

  renewed(lease: Lease): void {
    this.#deadlines.set(lease.id, this.#clock.monotonic() + lease.ttl_s * 1000);
  }

  ended(id: bigint): void {
    this.#deadlines.delete(id);
  }

  /**
   * A new leader gives every lease its time anew plus `grace_ms`: renewals that the old leader
   * took were not replicated (S7: it may outlive its grant by election + ttl, never end early).
   */
  restart(leases: Iterable<Lease>, grace_ms: number): void {
    const now_ms = this.#clock.monotonic();
    this.#heap.length = 0;
    for (const lease of leases) {
      const left_s = lease.remaining_s > 0 ? lease.remaining_s : lease.ttl_s;
      this.#set(lease.id, now_ms + left_s * 1000 + grace_ms);
    }
  }

  /** Whole seconds left, rounded as etcd does; negative once expired and not yet revoked. */
  remaining_s(id: bigint): number {
    const at_ms = this.#deadlines.get(id);
    return at_ms === undefined ? -1 : Math.ceil((at_ms - this.#clock.monotonic()) / 1000);
  }

  expired(id: bigint): boolean {
    const at_ms = this.#deadlines.get(id);
    return at_ms !== undefined && at_ms <= this.#clock.monotonic();
  }

  /** Up to `max` leases whose time is over. They come up again until they are ended. */
  takeExpired(max: number): bigint[] {
    const now_ms = this.#clock.monotonic();
    const expired: bigint[] = [];
    while (expired.length < max && this.#heap[0] && this.#heap[0].at_ms <= now_ms) {
      const { id } = this.#pop();
      const at_ms = this.#deadlines.get(id);
      if (at_ms === undefined) continue;
      if (at_ms <= now_ms) expired.push(id);
      // Renewed meanwhile, or a revocation that may be lost: look again later.
      this.#push({ id, at_ms: Math.max(at_ms, now_ms + RETRY_MS) });
    }
    return expired;
  }

  #set(id: bigint, at_ms: number): void {
    this.#deadlines.set(id, at_ms);
    this.#push({ id, at_ms });
  }

  #push(deadline: Deadline): void {
    const heap = this.#heap;
    let at = heap.push(deadline) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.at_ms <= deadline.at_ms) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = deadline;
  }

  #pop(): Deadline {
    const heap = this.#heap;
    const top = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at_ms < heap[child]!.at_ms) child++;
      if (heap[child]!.at_ms >= last.at_ms) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

const RETRY_MS = 1_000;
