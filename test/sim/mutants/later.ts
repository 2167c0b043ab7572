import type { Raft } from "@raft2kube/store/core/raft.ts";
import { switchMembership } from "@raft2kube/store/core/reconfigure.ts";
import { inside, insideLeader, type Mutant } from "./mutant.ts";

/** A candidate with a log of the same length is up to date, regardless of its last term. */
function comparesLengthOnly(raft: Raft): void {
  const state = inside(raft);
  const step = raft.step.bind(raft);
  raft.step = (message) => {
    if (message.kind !== "vote") return step(message);
    const { lastIndex, lastTerm } = state.log;
    const isLong = message.lastIndex >= lastIndex;
    const seeming = isLong ? Math.max(lastTerm, message.lastTerm) : message.lastTerm;
    step({ ...message, lastTerm: seeming });
  };
}

/** Acknowledges entries that are not on disk yet. */
function acknowledgesEarly(raft: Raft): void {
  const ready = raft.ready.bind(raft);
  raft.ready = () => {
    const result = ready();
    if (!result) return result;
    const early = result.messagesAfterPersist.filter(({ kind }) => kind === "append-reply");
    const later = result.messagesAfterPersist.filter((message) => !early.includes(message));
    const messages = [...result.messages, ...early];
    return { ...result, messages, messagesAfterPersist: later };
  };
}

/** Answers a follower's read with the leader's commit index, without a quorum. */
function trustsLeader(raft: Raft): void {
  const state = inside(raft);
  const step = raft.step.bind(raft);
  raft.step = (message) => {
    const asks = message.kind === "read" && message.term === state.term;
    if (!asks || state.role !== "leader") return step(message);
    const { from: to, readId } = message;
    const answer = { kind: "read-reply", to, readId, index: state.log.committed } as const;
    state.outbox.push({ ...answer, from: state.id, term: state.term });
  };
}

/** A leader accepts the next change while one of its own is not applied yet. */
function overlapsChanges(raft: Raft): void {
  const propose = raft.proposeChange.bind(raft);
  raft.proposeChange = (change) => {
    const state = insideLeader(raft);
    if (!state) return propose(change);
    const { pendingChangeIndex } = state;
    state.pendingChangeIndex = 0;
    const proposed = propose(change);
    state.pendingChangeIndex = Math.max(state.pendingChangeIndex, pendingChangeIndex);
    return proposed;
  };
}

/** Learners are counted as voters. */
function countsLearners(raft: Raft): void {
  const state = inside(raft);
  const applyChange = raft.applyChange.bind(raft);
  raft.applyChange = (change) => {
    const membership = applyChange(change);
    if (!membership || membership.learners.length === 0) return membership;
    switchMembership(state, membership);
    state.voterSets = {
      voters: new Set([...membership.voters, ...membership.learners]),
      outgoing: new Set(membership.outgoing),
    };
    return membership;
  };
}

/** Mutants written after the simulator was finished, and added without changing it. */
export const LATER_MUTANTS: readonly Mutant[] = [
  {
    name: "compares logs by length, not by their last term",
    breaks: "Raft 5.4.1",
    noticedBy: ["leader completeness", "committed once", "state machine safety", "store's own"],
    seams: { raft: comparesLengthOnly },
  },
  {
    name: "acknowledges entries before they are durable",
    breaks: "S1",
    noticedBy: ["acknowledged is durable", "committed by a durable quorum"],
    seams: { raft: acknowledgesEarly },
  },
  {
    name: "answers a follower's read without a quorum",
    breaks: "S2, dissertation 6.4",
    noticedBy: ["read by a quorum", "read index", "linearizability", "time travel"],
    seams: { raft: trustsLeader },
  },
  {
    name: "accepts a change while another one is pending",
    breaks: "S9, S11, dissertation 4.1",
    noticedBy: ["one change at a time", "quorums intersect", "store's own"],
    seams: { raft: overlapsChanges },
  },
  {
    name: "lets learners vote and count",
    breaks: "S9, dissertation 4.2.1",
    noticedBy: ["committed by a durable quorum", "elected by a quorum", "read by a quorum"],
    seams: { raft: countsLearners },
  },
];
