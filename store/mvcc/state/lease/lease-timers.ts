import type { Clock } from "@raft2kube/std/clock.ts";
import { LEASE_CHECKPOINT_INTERVAL_MS, LEASE_CHECKPOINT_SHARE } from "../../../limits.ts";
import { DeadlineHeap } from "./deadline-heap.ts";
import type { Lease } from "./lease.ts";

/** The remaining TTL of a lease, for a checkpoint. */
export type CheckpointDue = { id: bigint; left_s: number };

/** A lease's clock on this member. */
interface Running {
  at_ms: number;
  ttl_s: number;
  /** When what is left is to be recorded next. */
  checkpointAt_ms: number;
  /**
   * The checkpoint of this term proposed last, counted; 0 when a renewal has been recorded since.
   */
  checkpoint: number;
}

/** Deadlines of leases that are gone stay in a heap until there are this many, and half of all. */
const HEAP_SLACK = 1_024;

/**
 * When leases expire, by this member's clock (etcd: the lessor's LeaseExpiredNotifier): kept by
 * every member, queued and acted on by the leader alone. A renewal only moves the lease's deadline;
 * the heaps are updated when the old deadline comes up.
 */
export class LeaseTimers {
  readonly #clock: Clock;
  readonly #running = new Map<bigint, Running>();
  readonly #ends = new DeadlineHeap();
  readonly #checkpoints = new DeadlineHeap();
  #checkpointed = 0;
  #leading = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * A lease was granted, or found at start: it has its whole TTL, or what its last checkpoint
   * left.
   */
  started(lease: Lease): void {
    this.#set(lease, this.#clock.monotonic() + leftOf(lease) * 1000);
  }

  renewed(lease: Lease): void {
    const running = this.#running.get(lease.id);
    if (running) running.at_ms = this.#clock.monotonic() + lease.ttl_s * 1000;
  }

  ended(id: bigint): void {
    this.#running.delete(id);
    if (this.#ends.size > 2 * this.#running.size + HEAP_SLACK) this.#queueAll();
  }

  /**
   * A new leader gives every lease its whole time plus `grace_ms`: renewals that the old leader
   * took were not replicated (S7: it may outlive its grant by election + ttl, never end early).
   */
  restart(leases: Iterable<Lease>, grace_ms: number): void {
    const now_ms = this.#clock.monotonic();
    this.#leading = true;
    for (const lease of leases) this.#set(lease, now_ms + leftOf(lease) * 1000 + grace_ms);
    this.#queueAll();
  }

  /** Stops: this member no longer leads. */
  stop(): void {
    this.#leading = false;
    this.#ends.clear();
    this.#checkpoints.clear();
  }

  /** Whole seconds left, rounded as etcd does; negative once expired and not yet revoked. */
  remaining_s(id: bigint): number {
    const running = this.#running.get(id);
    return running ? Math.ceil((running.at_ms - this.#clock.monotonic()) / 1000) : -1;
  }

  expired(id: bigint): boolean {
    const running = this.#running.get(id);
    return running !== undefined && running.at_ms <= this.#clock.monotonic();
  }

  /** Up to `max` leases whose time is over. They come up again until they are ended. */
  takeExpired(max: number): bigint[] {
    const now_ms = this.#clock.monotonic();
    const expired: bigint[] = [];
    while (expired.length < max) {
      const due = this.#ends.takeDue(now_ms);
      if (!due) break;
      const running = this.#running.get(due.id);
      if (!running) continue;
      if (running.at_ms <= now_ms) expired.push(due.id);
      // Renewed meanwhile, or a revocation that may be lost: look again later.
      this.#ends.push({ id: due.id, at_ms: Math.max(running.at_ms, now_ms + RETRY_MS) });
    }
    return expired;
  }

  /** Up to `max` leases of which it is time to record what is left. */
  takeCheckpoints(max: number): CheckpointDue[] {
    const now_ms = this.#clock.monotonic();
    const found: CheckpointDue[] = [];
    while (found.length < max) {
      const due = this.#checkpoints.takeDue(now_ms);
      if (!due) break;
      const running = this.#running.get(due.id);
      if (!running) continue;
      const { id } = due;
      const left_s = Math.ceil((running.at_ms - now_ms) / 1000);
      // An expired lease is revoked; one that was just renewed needs no checkpoint.
      if (left_s > 0 && left_s < running.ttl_s) {
        found.push({ id, left_s });
        running.checkpoint = ++this.#checkpointed;
      }
      running.checkpointAt_ms = now_ms + checkpointInterval_ms(running.ttl_s);
      this.#checkpoints.push({ id, at_ms: running.checkpointAt_ms });
    }
    return found;
  }

  /**
   * The last checkpoint of a lease that was proposed since the last renewal was recorded; 0 without
   * one. A renewal has to be recorded after it.
   */
  checkpointOf(id: bigint): number {
    return this.#running.get(id)?.checkpoint ?? 0;
  }

  /** A renewal is in the log after that checkpoint. */
  renewalRecorded(id: bigint, checkpoint: number): void {
    const running = this.#running.get(id);
    if (running?.checkpoint === checkpoint) running.checkpoint = 0;
  }

  #set({ id, ttl_s }: Lease, at_ms: number): void {
    const checkpointAt_ms = this.#clock.monotonic() + checkpointInterval_ms(ttl_s);
    const running = { at_ms, ttl_s, checkpointAt_ms, checkpoint: 0 };
    this.#running.set(id, running);
    if (this.#leading) this.#queue(id, running);
  }

  #queueAll(): void {
    this.#ends.clear();
    this.#checkpoints.clear();
    for (const [id, running] of this.#running) this.#queue(id, running);
  }

  #queue(id: bigint, { at_ms, checkpointAt_ms }: Running): void {
    this.#ends.push({ id, at_ms });
    this.#checkpoints.push({ id, at_ms: checkpointAt_ms });
  }
}

const RETRY_MS = 1_000;

const leftOf = ({ remaining_s, ttl_s }: Lease) => (remaining_s > 0 ? remaining_s : ttl_s);

/**
 * etcd's five minutes, and for shorter leases a share of their time: those that are kept alive at
 * the usual third of it are renewed before.
 */
function checkpointInterval_ms(ttl_s: number): number {
  return Math.min(LEASE_CHECKPOINT_INTERVAL_MS, ttl_s * 1000 * LEASE_CHECKPOINT_SHARE);
}
