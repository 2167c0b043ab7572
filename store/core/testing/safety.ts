import { assert } from "@raft2kube/std/assert.ts";
import type { MemberId } from "../types.ts";
import type { TestCluster } from "./cluster.ts";
import type { AppliedEntry, TestMember } from "./member.ts";

/**
 * Watches a cluster for the properties of Raft section 5 (figure 3): throws AssertionError naming
 * the property when one does not hold. Called after every step.
 */
export class SafetyChecker {
  readonly #leaderOfTerm = new Map<number, { id: MemberId; raft: TestMember["raft"] }>();
  readonly #appliedAt = new Map<number, AppliedEntry>();
  readonly #committed = new Map<MemberId, { start: TestMember["raft"]; index: number }>();
  readonly #hardTerm = new Map<MemberId, number>();
  readonly #checkedTo = new Map<MemberId, { start: TestMember["raft"]; index: number }>();

  check(cluster: TestCluster): void {
    for (const member of cluster.members.values()) {
      this.#electionSafety(member);
      this.#stateMachineSafety(member);
      this.#commitNeverDecreases(member);
      this.#persistedTermNeverDecreases(member);
      changesKnown(member);
    }
  }

  /** One that crashed is another: it may have forgotten what it said in office. */
  #electionSafety({ id, raft, disk }: TestMember): void {
    if (!raft.isLeader) return;
    const { term } = raft.state;
    const { term: durable, vote } = disk.hardState;
    assert(durable === term && vote === id, () => `member ${id} leads term ${term} and may forget`);
    const known = this.#leaderOfTerm.get(term) ?? { id, raft };
    const once = known.id === id ? `${id} twice` : `${known.id} and ${id}`;
    assert(known.raft === raft, () => `election safety: term ${term} is led by ${once}`);
    this.#leaderOfTerm.set(term, known);
  }

  /** All apply the same command at the same index: log matching and leader completeness follow. */
  #stateMachineSafety({ id, applied, raft }: TestMember): void {
    const before = this.#checkedTo.get(id);
    const from = before?.start === raft ? before.index : 0;
    for (const entry of applied) {
      if (entry.index <= from) continue;
      const known = this.#appliedAt.get(entry.index) ?? entry;
      const same = known.term === entry.term && known.command === entry.command;
      assert(same, `state machine safety: ${id} applied another command at ${entry.index}`);
      this.#appliedAt.set(entry.index, entry);
    }
    applied.forEach((entry, i) => {
      assert(entry.index === i + 1, `member ${id} applied ${entry.index} as number ${i + 1}`);
    });
    this.#checkedTo.set(id, { start: raft, index: applied.length });
  }

  #commitNeverDecreases({ id, raft }: TestMember): void {
    const before = this.#committed.get(id);
    const index = raft.state.log.committed;
    if (before?.start === raft) {
      assert(index >= before.index, `member ${id}: commit went from ${before.index} to ${index}`);
    }
    this.#committed.set(id, { start: raft, index });
  }

  #persistedTermNeverDecreases({ id, disk }: TestMember): void {
    const before = this.#hardTerm.get(id) ?? 0;
    const { term } = disk.hardState;
    assert(term >= before, `member ${id}: term on disk went from ${before} to ${term}`);
    this.#hardTerm.set(id, term);
  }

  /** Commands applied anywhere so far. */
  get commands(): number {
    return this.#appliedAt.size;
  }

  /** Terms that had a leader. */
  get terms(): number {
    return this.#leaderOfTerm.size;
  }
}

/** A disk that has a change of membership knows that the one before it is committed (S11). */
function changesKnown({ id, disk: { hardState, mark, entries } }: TestMember): void {
  const known = Math.max(hardState.commit, mark.index);
  const open = entries.filter(({ change, index }) => change && index > known);
  assert(open.length < 2, () => `S11: ${id} has ${open.length} changes beyond commit ${known}`);
}
