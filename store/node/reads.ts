import { type EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import { PENDING_READS_MAX } from "../limits.ts";

export type ReadCallback = (error?: EtcdError) => void;

interface WaitingRead {
  deadline_ms: number;
  done: ReadCallback;
}

/**
 * How long an attempt may go unanswered before it is made again under a fresh id (etcd's
 * interval).
 */
const RETRY_MS = 500;

/**
 * Linearizable reads on their way (S2). All that come in one turn of the loop share one attempt;
 * an attempt that is not answered is made again under an id never used before, since an old
 * answer says nothing about a newer read.
 */
export class Reads {
  /** Attempts that went unanswered, and reads that failed, since the start. */
  slow = 0;
  failed = 0;
  #nextId: number;
  #waiting: WaitingRead[] = [];
  readonly #attempts = new Map<number, { reads: WaitingRead[]; since_ms: number }>();
  /** Confirmed, but the state machine is not yet that far. */
  #confirmed: { index: number; reads: WaitingRead[] }[] = [];

  /** Ids start at a random number: an answer to an earlier start of this member must not match. */
  constructor(firstId: number) {
    this.#nextId = firstId;
  }

  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  add(deadline_ms: number, done: ReadCallback): void {
    if (this.#waiting.length >= PENDING_READS_MAX) return done(etcdError("tooManyRequests"));
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
    for (const { reads } of ready) for (const { done } of reads) done();
  }

  /** Fails what is past its deadline, and takes back attempts that went unanswered. */
  expire(now_ms: number): void {
    for (const [id, { since_ms }] of this.#attempts) {
      if (now_ms - since_ms < RETRY_MS) continue;
      this.slow++;
      this.abandon(id);
    }
    const late = this.#waiting.filter(({ deadline_ms }) => deadline_ms <= now_ms);
    if (late.length === 0) return;
    this.#waiting = this.#waiting.filter(({ deadline_ms }) => deadline_ms > now_ms);
    this.failed += late.length;
    for (const { done } of late) done(etcdError("timeout"));
  }

  failAll(error: EtcdError): void {
    const attempts = [...this.#attempts.values(), ...this.#confirmed].flatMap(({ reads }) => reads);
    const all = [...this.#waiting, ...attempts];
    this.#waiting = [];
    this.#attempts.clear();
    this.#confirmed = [];
    for (const { done } of all) done(error);
  }
}
