import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { AppliedEntry } from "@raft2kube/store/core/testing/member.ts";
import { judge } from "../judge.ts";
import type { Server } from "./server.ts";

/** The promises of Raft's figure 3, looked at after every single step of every member. */
export class Safety {
  readonly #leaderOf = new Map<number, MemberId>();
  readonly #appliedAt: { entry: AppliedEntry; by: MemberId }[] = [];

  /** Throws a judgement when a promise is broken. */
  look(server: Server): void {
    this.#oneLeader(server);
    this.#noStepBack(server);
    this.#sameEverywhere(server);
  }

  #oneLeader({ id, member: { raft } }: Server): void {
    if (!raft.isLeader) return;
    const { term } = raft.state;
    const known = this.#leaderOf.get(term) ?? id;
    judge(known === id, {
      when: `member ${id} takes office in term ${term}`,
      expected: "at most one leader in a term (Election Safety, Raft figure 3)",
      happened: `member ${known} is leader of term ${term} already`,
      why: "two leaders of one term put different commands into the same slot, and both commit",
    });
    this.#leaderOf.set(term, id);
  }

  #noStepBack(server: Server): void {
    const { term, log } = server.member.raft.state;
    const { committed } = log;
    const { seen } = server;
    judge(committed >= seen.committed && term >= seen.term, {
      when: `a step of member ${server.id}`,
      expected: `a commit index of at least ${seen.committed}, a term of at least ${seen.term}`,
      happened: `commit index ${committed}, term ${term}`,
      why: "what is committed was answered to clients; who goes back on it forgets their writes",
    });
    server.seen = { committed, term };
  }

  #sameEverywhere(server: Server): void {
    const { id } = server;
    const { applied } = server.member;
    for (let i = server.checkedTo; i < applied.length; i++) {
      const entry = applied[i]!;
      judge(entry.index === i + 1, {
        when: `member ${id} applies its slots`,
        expected: `slot ${i + 1} next: every slot once, in order`,
        happened: `slot ${entry.index}`,
        why: "a state machine that skips or repeats a command is no copy of the others",
      });
      const known = (this.#appliedAt[i] ??= { entry, by: id });
      const same = known.entry.command === entry.command && known.entry.term === entry.term;
      judge(same, {
        when: `member ${id} applies slot ${entry.index}`,
        expected: `${show(known.entry)}, as member ${known.by} applied there`,
        happened: show(entry),
        why: "the members' states differ from here on (State Machine Safety, Raft figure 3)",
      });
    }
    server.checkedTo = applied.length;
  }
}

function show({ command, term }: AppliedEntry): string {
  return `"${command}" of term ${term}`;
}
