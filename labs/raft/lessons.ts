import type { SafetyChecker } from "../../testing/raft/safety.ts";
import { Violation } from "../../testing/violation.ts";
import { BrokenProperty } from "./broken-property.ts";
import type { Server } from "./server.ts";

/** Each property of the safety checker, and what goes wrong without it. */
const LESSONS: Readonly<Record<string, { readonly expected: string; readonly why: string }>> = {
  "election safety": {
    expected: "at most one leader in a term (Election Safety, Raft figure 3)",
    why: "two leaders of one term commit different commands at the same index",
  },
  "leads by a durable vote": {
    expected: "the leader's own vote is on its disk before it leads (Raft section 5.1)",
    why: "after a crash it could vote again in the same term, which then has two leaders",
  },
  "term and vote kept": {
    expected: "the term on disk never decreases, and one vote in each term (Raft section 5.1)",
    why: "a member that loses its vote votes twice, and two leaders are elected in one term",
  },
  "commit never decreases": {
    expected: "a commit index that never decreases",
    why: "committed writes were acknowledged: a commit index that decreases loses them",
  },
  "applied in order": {
    expected: "every entry is applied once, in order",
    why: "a state machine that skips or repeats a command differs from the others",
  },
  "state machine safety": {
    expected: "all members apply the same command at the same index",
    why: "the members' states differ from here on (State Machine Safety, Raft figure 3)",
  },
  "leader append-only": {
    expected: "a leader only appends to its log (Leader Append-Only, Raft figure 3)",
    why: "an entry that followers have acknowledged must not change in the leader's log",
  },
  "commits in own term": {
    expected: "a leader counts copies only of entries of its own term (Raft section 5.4.2)",
    why: "an older entry on a majority can still be overwritten (Raft figure 8)",
  },
  "leader completeness": {
    expected: "a leader has every committed entry (Leader Completeness, Raft figure 3)",
    why: "its followers delete the entries that it lacks: an acknowledged write is lost",
  },
  "a change is known to be committed": {
    expected: "at most one membership change beyond the commit index on disk (SPEC, S11)",
    why: "two pending changes allow two majorities without a common member",
  },
};

/** Checks a member after one of its steps; throws the broken property as a judgement. */
export function checkStep(checker: SafetyChecker, { id, member }: Server): void {
  try {
    checker.checkMember(member);
  } catch (thrown) {
    const lesson = thrown instanceof Violation ? LESSONS[thrown.checker] : undefined;
    if (!(thrown instanceof Violation) || !lesson) throw thrown;
    const happened = thrown.message.slice(`${thrown.checker}: `.length);
    const { role, term } = member.raft.state;
    const when = `a step of member ${id}, ${role} in term ${term}`;
    throw new BrokenProperty(id, { when, ...lesson, happened }, thrown);
  }
}
