import { type EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import { PENDING_READS_MAX } from "../limits.ts";

export type ReadCallback = (error?: EtcdError) => void;

type WaitingRead = { deadline_ms: number; done: ReadCallback };

/**
 * How long an attempt may go unanswered before it is made again under a fresh id (etcd's
 * interval).
 */
const RETRY_MS = 500;

/**
 * Pending linearizable reads (S2). All that come in one turn of the loop share one attempt; an
 * attempt that is not answered is made again under an id never used before, since an old answer
 * proves nothing for a newer read.
 */
export class Reads {
  /** Attempts that went unanswered, and reads that failed, since the start. */
  slow = 0;
  failed = 0;
  #nextId: number;
  /** Number of unanswered reads, in any stage. */
  #pending = 0;
  #waiting: WaitingRead[] = [];
  readonly #attempts = new Map<number, { reads: WaitingRead[]; since_ms: number }>();
  /** Reads whose index is confirmed, and not yet applied. */
  #confirmed: { index: number; reads: WaitingRead[] }[] = [];

  /** Ids start at a random number: an answer to an earlier start of this member must not match. */
  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  add(deadline_ms: number, done: ReadCallback): void {
    if (this.#pending >= PENDING_READS_MAX) return done(etcdError("tooManyRequests"));
    this.#pending++;
    this.#waiting.push({ deadline_ms, done });
  }

  /** Opens an attempt for everything that waits. */
  openAttempt(now_ms: number): number {
    const id = this.#nextId++;
    this.#attempts.set(id, { reads: this.#waiting, since_ms: now_ms });
    this.#waiting = [];
    return id;
  }

  /** The core did not take the attempt: its reads wait for the next one. */
  abandon(id: number): void {
    const attempt = this.#attempts.get(id);
    this.#attempts.delete(id);
    if (attempt) this.#waiting = [...attempt.reads, ...this.#waiting];
  }

  /** The attempt's read index is known. An answer to an abandoned attempt is passed over. */
  confirmed(id: number, index: number): void {
    const attempt = this.#attempts.get(id);
    if (!attempt) return;
    this.#attempts.delete(id);
    this.#confirmed.push({ index, reads: attempt.reads });
  }

  /** The state machine is at `index`: reads up to there may look. */
  applied(index: number): void {
    if (this.#confirmed.length === 0) return;
    const ready = this.#confirmed.filter((batch) => batch.index <= index);
    if (ready.length === 0) return;
    this.#confirmed = this.#confirmed.filter((batch) => batch.index > index);
    for (const { reads } of ready) this.#answer(reads);
  }

  /**
   * Fails what is past its deadline, confirmed or not; takes back attempts that went unanswered.
   */
  expire(now_ms: number): void {
    for (const [id, { since_ms }] of this.#attempts) {
      if (now_ms - since_ms < RETRY_MS) continue;
      this.slow++;
      this.abandon(id);
    }
    const isLate = ({ deadline_ms }: WaitingRead) => deadline_ms <= now_ms;
    const confirmed = this.#confirmed.flatMap(({ reads }) => reads);
    const late = [...this.#waiting, ...confirmed].filter(isLate);
    if (late.length === 0) return;
    const inTime = (reads: WaitingRead[]) => reads.filter((read) => !isLate(read));
    this.#waiting = inTime(this.#waiting);
    for (const batch of this.#confirmed) batch.reads = inTime(batch.reads);
    this.#confirmed = this.#confirmed.filter(({ reads }) => reads.length > 0);
    this.failed += late.length;
    this.#answer(late, etcdError("timeout"));
  }

  failAll(error: EtcdError): void {
    const attempts = [...this.#attempts.values(), ...this.#confirmed].flatMap(({ reads }) => reads);
    const all = [...this.#waiting, ...attempts];
    this.#waiting = [];
    this.#attempts.clear();
    this.#confirmed = [];
    this.#answer(all, error);
  }

  #answer(reads: WaitingRead[], error?: EtcdError): void {
    this.#pending -= reads.length;
    for (const { done } of reads) done(error);
  }
}
