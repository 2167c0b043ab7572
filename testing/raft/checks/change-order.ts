import type { RaftState } from "@raft2kube/store/core/state.ts";
import type { Entry, MemberId } from "@raft2kube/store/core/types.ts";
import { require } from "../../violation.ts";
import { changesKnown } from "./changes.ts";
import type { DurableLogs } from "./durable-logs.ts";

/**
 * Membership changes come one after the other (dissertation section 4.1): a leader appends one only
 * after an entry of its own term is committed, and once it has applied every change before it; a
 * member takes one into effect only if it would still know after a crash that it is committed.
 */
export class Changes {
  readonly #disks: DurableLogs;

  constructor(disks: DurableLogs) {
    this.#disks = disks;
  }

  /** A leader's log has grown from `before`. */
  appended({ id, term, log, applied }: RaftState, before: number): void {
    for (let index = before + 1; index <= log.lastIndex; index++) {
      if (!log.entry(index)?.change) continue;
      const own = log.term(log.committed) === term;
      const first = () => `${id} appends the change ${index} in term ${term}, of which nothing is`;
      require(own, "change follows its term", first);
      for (let open = applied + 1; open < index; open++) {
        const message = () => `${id} appends the change ${index}, ${open} is not applied`;
        require(!log.entry(open)?.change, "one change at a time", message);
      }
    }
  }

  /** Entries are durable: a crash now would leave this on the disk. */
  written({ id, log }: RaftState, entries: readonly Entry[]): void {
    if (!entries.some(({ change }) => change)) return;
    const disk = this.#disks.get(id)!;
    const { hardState } = disk;
    const known = Math.max(hardState.commit, log.base.index);
    const after = log.slice(known + 1, Infinity, Math.min(disk.lastIndex, log.lastIndex));
    const durable = after.filter(({ index, term }) => disk.has(index, term));
    changesKnown(id, { hardState, base: log.base, entries: durable, applied: known });
  }

  /** A member's configuration is the one after `index`. */
  applied(member: MemberId, index: number): void {
    const { commit } = this.#disks.get(member)!.hardState;
    const message = () => `${member} applies the change ${index}, its disk knows of ${commit}`;
    require(index <= commit, "change is durable", message);
  }
}
