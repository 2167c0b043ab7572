import type { RaftLog } from "@raft2kube/store/core/log.ts";
import type { AppendMessage } from "@raft2kube/store/core/message.ts";
import type { RaftState } from "@raft2kube/store/core/state.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import { require } from "../../violation.ts";
import type { DurableLogs } from "./durable-logs.ts";
import { isQuorum } from "./quorum.ts";

/**
 * The committed entries, as they become so: by a leader, once a quorum of its configuration has the
 * entry on disk (Raft section 5.3, dissertation section 4.3); a follower only learns of it.
 */
export class Commits {
  readonly #disks: DurableLogs;
  /** The term of each committed entry, by index. */
  readonly #terms: number[] = [];
  readonly #seen = new Map<MemberId, number>();

  constructor(disks: DurableLogs, base: { index: number; term: number }) {
    this.#disks = disks;
    this.#terms[base.index] = base.term;
  }

  /** The newest index that any leader has committed. */
  get last(): number {
    return this.#terms.length - 1;
  }

  /** A member starts with the state on its disk. */
  began(raft: RaftState): void {
    this.#seen.set(raft.id, 0);
    this.seen(raft, false);
  }

  /** A look at a core; `leads` when it led before what it just did, and leads still. */
  seen(raft: RaftState, leads: boolean): void {
    const { id, log } = raft;
    const before = this.#seen.get(id) ?? 0;
    const { committed } = log;
    if (committed === before) return;
    this.#seen.set(id, committed);
    if (leads) this.#counted(raft, before);
    const known = committed <= this.last;
    require(known, "commit is known", () => `${id} commits ${committed}, leaders ${this.last}`);
    for (let index = Math.max(before + 1, log.firstIndex); index <= committed; index++) {
      const term = log.term(index);
      const same = this.#terms[index] === term || this.#terms[index] === undefined;
      const message = () => `${id} commits ${index}/${term}, others ${index}/${this.#terms[index]}`;
      require(same, "committed once", message);
    }
  }

  /**
   * Whether an append that fits ends before a committed entry of which the receiver has another: a
   * tail of a leader that was deposed, which nothing that the append has says anything about.
   */
  isHiddenFrom({ prevIndex, prevTerm, entries, commit }: AppendMessage, log: RaftLog): boolean {
    const end = prevIndex + entries.length;
    const last = Math.min(commit, log.lastIndex);
    if (last <= end || log.term(prevIndex) !== prevTerm) return false;
    for (let index = Math.max(end, log.committed) + 1; index <= last; index++) {
      const term = this.#terms[index];
      if (term !== undefined && term !== log.term(index)) return true;
    }
    return false;
  }

  #counted(raft: RaftState, before: number): void {
    const { id, log, membership } = raft;
    const { committed } = log;
    const term = log.term(committed)!;
    const has = (member: MemberId) => this.#disks.get(member)?.has(committed, term) ?? false;
    const message = () => `${id} commits ${committed}/${term} without a quorum that has it on disk`;
    require(isQuorum(membership, has), "committed by a durable quorum", message);
    for (let index = before + 1; index <= committed; index++) {
      this.#terms[index] ??= log.term(index)!;
    }
  }
}
