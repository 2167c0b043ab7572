import type { MemberId } from "./types.ts";

/** A read waiting for a round of heartbeats: `index` was the commit index when it came. */
export interface PendingRead {
  readId: number;
  from: MemberId;
  index: number;
  acks: Map<MemberId, boolean>;
  /**
   * The id under which heartbeats carry it: fresh for each attempt, never taken from a requester.
   */
  round: number;
}

/** Reads in the order they came; a quorum's answer to a later one answers all before it. */
export class ReadQueue {
  readonly #reads_max: number;
  #reads: PendingRead[] = [];
  /** Reads that came before the leader had committed in its own term (dissertation section 6.4). */
  #early: { readId: number; from: MemberId }[] = [];

  constructor(reads_max: number) {
    this.#reads_max = reads_max;
  }

  get full(): boolean {
    return this.#reads.length + this.#early.length >= this.#reads_max;
  }

  /** The newest round, which a regular heartbeat repeats in case an earlier message was lost. */
  get lastRound(): number {
    return this.#reads.at(-1)?.round ?? 0;
  }

  add(read: PendingRead): void {
    this.#reads.push(read);
  }

  round(round: number): PendingRead | undefined {
    return this.#reads.find((read) => read.round === round);
  }

  /** The newest read of which `holds` is true. */
  lastWhere(holds: (read: PendingRead) => boolean): PendingRead | undefined {
    return this.#reads.findLast(holds);
  }

  /** Takes out everything up to and including `round`. */
  takeThrough(round: number): PendingRead[] {
    const position = this.#reads.findIndex((read) => read.round === round);
    return this.#reads.splice(0, position + 1);
  }

  postpone(readId: number, from: MemberId): void {
    this.#early.push({ readId, from });
  }

  takePostponed(): { readId: number; from: MemberId }[] {
    return this.#early.splice(0);
  }
}
