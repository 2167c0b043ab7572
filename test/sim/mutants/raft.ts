import { jointIndex } from "@raft2kube/store/core/joint.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import { type LeaderState, type RaftState, sendAfterPersist } from "@raft2kube/store/core/state.ts";
import { NONE } from "@raft2kube/store/core/types.ts";
import { inside, type Mutant, matchOf, onProgress } from "./mutant.ts";

/** Steps each message into the core after `change`. */
function onStep(before: (raft: RaftState, message: Parameters<Raft["step"]>[0]) => boolean) {
  return (raft: Raft) => {
    const step = raft.step.bind(raft);
    raft.step = (message) => {
      if (before(inside(raft), message)) step(message);
    };
  };
}

/** The largest index that one member less than a majority has. */
function commitWithOneLess(raft: LeaderState): void {
  const have = [...raft.voterSets.voters].map(matchOf(raft)).sort((a, b) => b - a);
  const needed = Math.max(1, Math.floor(have.length / 2));
  const index = have[needed - 1] ?? 0;
  if (index > raft.log.committed && raft.log.term(index) === raft.term) raft.log.commitTo(index);
}

function keepConflicts(raft: RaftState, message: Parameters<Raft["step"]>[0]): boolean {
  if (message.kind !== "append" || message.term < raft.term) return true;
  const { log } = raft;
  const conflict = message.entries.find(
    ({ index, term }) => index <= log.lastIndex && log.term(index) !== term,
  );
  if (!conflict || log.term(message.prevIndex) !== message.prevTerm) return true;
  raft.electionElapsed = 0;
  const index = message.entries.at(-1)!.index;
  const rest = { index, reject: false, hintIndex: 0, hintTerm: 0 };
  sendAfterPersist(raft, { kind: "append-reply", to: message.from, ...rest });
  return false;
}

export const RAFT_MUTANTS: readonly Mutant[] = [
  {
    name: "commits entries of an older term by counting copies",
    breaks: "S1, Raft 5.4.2",
    noticedBy: [
      "commits in own term",
      "commits what fits",
      "committed by a durable quorum",
      "state machine safety",
      "leader completeness",
    ],
    seams: {
      raft: onProgress((raft) => {
        const index = jointIndex(raft.voterSets, matchOf(raft));
        if (index > raft.log.committed) raft.log.commitTo(index);
      }),
    },
  },
  {
    name: "commits with one voter less than a majority",
    breaks: "S1",
    noticedBy: ["committed by a durable quorum", "leader completeness", "state machine safety"],
    seams: { raft: onProgress(commitWithOneLess) },
  },
  {
    name: "votes twice in a term",
    breaks: "Raft 5.2",
    noticedBy: ["term and vote kept", "vote is durable", "one vote per term", "election safety"],
    seams: {
      raft: onStep((raft, message) => {
        if (message.kind === "vote" && !message.pre && message.term === raft.term) {
          if (raft.role === "follower") Object.assign(raft, { vote: NONE, leader: NONE });
        }
        return true;
      }),
    },
  },
  {
    name: "votes for a log that is less up to date",
    breaks: "Raft 5.4.1",
    noticedBy: ["leader completeness", "state machine safety"],
    seams: {
      raft: onStep((raft, message) => {
        if (message.kind !== "vote") return true;
        const { lastIndex, lastTerm } = raft.log;
        Object.assign(message, { lastIndex: Math.max(lastIndex, message.lastIndex) });
        Object.assign(message, { lastTerm: Math.max(lastTerm, message.lastTerm) });
        return true;
      }),
    },
  },
  {
    name: "keeps its own conflicting entries",
    breaks: "Raft 5.3",
    noticedBy: [
      "committed by a durable quorum",
      "acknowledged is durable",
      "committed once",
      "leader completeness",
      "store's own",
      "state machine safety",
    ],
    seams: { raft: onStep(keepConflicts) },
  },
  {
    name: "replaces two voters without a joint configuration",
    breaks: "S9, dissertation 4.1",
    noticedBy: ["read by a quorum", "quorums intersect"],
    seams: {
      raft: (raft) => {
        const applyChange = raft.applyChange.bind(raft);
        raft.applyChange = (change) => {
          const { steps } = change;
          if (steps.length < 2) return applyChange(change);
          return steps.map((step) => applyChange({ ...change, steps: [step] })).at(-1);
        };
      },
    },
  },
];
