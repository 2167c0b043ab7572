import type { RaftLog } from "@raft2kube/store/core/log.ts";
import type { Write } from "@raft2kube/store/core/ready.ts";
import type { HardState, LogBase, MemberId } from "@raft2kube/store/core/types.ts";

/** The part of one member's log that is certain to survive a power cut now. */
export class DurableLog {
  hardState: HardState;
  #base: LogBase;
  /** Terms of the entries after the base. */
  #terms: number[];

  /** A member starts: all that its core found was read from the disk. */
  constructor(hardState: HardState, log: RaftLog) {
    this.hardState = hardState;
    this.#base = log.base;
    this.#terms = [];
    for (let index = log.firstIndex; index <= log.lastIndex; index++) {
      this.#terms.push(log.term(index)!);
    }
  }

  get lastIndex(): number {
    return this.#base.index + this.#terms.length;
  }

  /** Whether the entry `index` of `term` is here, or in the state that the log starts after. */
  has(index: number, term: number): boolean {
    return index <= this.#base.index || this.#terms[index - this.#base.index - 1] === term;
  }

  written({ hardState, entries, snapshot }: Pick<Write, "hardState" | "entries" | "snapshot">) {
    if (snapshot) {
      this.#base = snapshot;
      this.#terms = [];
    }
    for (const { index, term } of entries) {
      if (index <= this.#base.index) continue;
      this.#terms.length = index - this.#base.index - 1;
      this.#terms.push(term);
    }
    if (hardState) this.hardState = hardState;
  }
}

/** The durable log of each member, kept through crashes. */
export type DurableLogs = Map<MemberId, DurableLog>;
