import { broadcastAppend } from "@raft2kube/store/core/append.ts";
import { appendOwn } from "@raft2kube/store/core/leadership.ts";
import { MembershipError, changeMembership } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import { majorityIndex } from "@raft2kube/store/core/quorum.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import type { PendingRead } from "@raft2kube/store/core/read-queue.ts";
import { startPostponedReads } from "@raft2kube/store/core/read-index.ts";
import { type LeaderState, send } from "@raft2kube/store/core/state.ts";
import type { MembershipChange } from "@raft2kube/store/core/types.ts";
import { type Mutant, inside, insideLeader, matchOf, onProgress } from "./mutant.ts";

/** Commits all that it has of what an append says is committed, whether that fits or not. */
function commitBeyondMatch(raft: Raft): void {
  const state = inside(raft);
  const { log } = state;
  const step = raft.step.bind(raft);
  raft.step = (message) => {
    const before = log.committed;
    step(message);
    if (message.kind !== "append" || message.term !== state.term) return;
    const accepted = log.term(message.prevIndex) === message.prevTerm;
    if (message.prevIndex < before || !accepted) return;
    log.commitTo(Math.min(message.commit, log.lastIndex));
  };
}

/** The vote that was written with a term stays the one on disk for all of it. */
function writeFirstVoteOnly(raft: Raft): void {
  const ready = raft.ready.bind(raft);
  let { term, vote } = raft.state;
  raft.ready = () => {
    const result = ready();
    const hardState = result?.write?.hardState;
    if (!result?.write || !hardState) return result;
    if (hardState.term === term) {
      return { ...result, write: { ...result.write, hardState: { ...hardState, vote } } };
    }
    ({ term, vote } = hardState);
    return result;
  };
}

/** A round that a quorum has answered answers all reads that wait by then. */
function confirmLaterReads(raft: Raft): void {
  const step = raft.step.bind(raft);
  raft.step = (message) => {
    const reads = insideLeader(raft)?.reads;
    if (!reads) return step(message);
    const take = reads.takeThrough.bind(reads);
    reads.takeThrough = () => take(reads.lastRound);
    step(message);
    reads.takeThrough = take;
  };
}

/** A leader takes a change as soon as it leads, if all that it found in its log is applied. */
function changeEarly(raft: Raft): void {
  const propose = raft.proposeChange.bind(raft);
  raft.proposeChange = (change) => {
    const proposed = propose(change);
    if (typeof proposed === "string" || !("refused" in proposed)) return proposed;
    if (proposed.refused !== "term-not-committed") return proposed;
    return appendChange(insideLeader(raft)!, change) ?? proposed;
  };
}

function appendChange(state: LeaderState, change: MembershipChange) {
  if (state.pendingChangeIndex > state.applied) return undefined;
  try {
    changeMembership(state.membership, change);
  } catch (thrown) {
    if (thrown instanceof MembershipError) return undefined;
    throw thrown;
  }
  const index = appendOwn(state, change.context, change);
  state.pendingChangeIndex = index;
  broadcastAppend(state);
  return { index, term: state.term };
}

/** It stands for election as if all that is committed were applied. */
function campaignUnapplied(raft: Raft): void {
  const state = inside(raft);
  const asIfApplied = (act: () => void) => {
    const { applied } = state;
    if (state.role !== "leader") state.applied = Math.max(applied, state.log.committed);
    act();
    state.applied = Math.max(applied, state.log.base.index);
  };
  const tick = raft.tick.bind(raft);
  const step = raft.step.bind(raft);
  const elects = (kind: Message["kind"]) =>
    kind === "vote" || kind === "vote-reply" || kind === "timeout-now";
  raft.tick = () => asIfApplied(tick);
  raft.step = (message) => {
    if (elects(message.kind)) asIfApplied(() => step(message));
    else step(message);
  };
}

function commitByIncoming(raft: LeaderState): void {
  const { voters, outgoing } = raft.voterSets;
  if (outgoing.size === 0) return;
  const index = majorityIndex(voters, matchOf(raft));
  if (index <= raft.log.committed || raft.log.term(index) !== raft.term) return;
  raft.log.commitTo(index);
  startPostponedReads(raft);
  broadcastAppend(raft);
}

/** Counts the acknowledgements of a read round, whoever they come from. */
function confirmByAnyone(raft: Raft): void {
  const state = inside(raft);
  const step = raft.step.bind(raft);
  raft.step = (message) => {
    step(message);
    if (message.kind !== "heartbeat-reply" || state.role !== "leader") return;
    const read = state.reads.round(message.readId);
    if (!read || read.acks.size * 2 <= state.voterSets.voters.size) return;
    for (const confirmed of state.reads.takeThrough(message.readId)) answer(state, confirmed);
  };
}

function answer(state: LeaderState, { readId, from, index }: PendingRead): void {
  if (from === state.id) state.readAnswers.push({ readId, index });
  else send(state, { kind: "read-reply", to: from, readId, index });
}

/** A leader that no quorum answers goes on leading. */
function leadWithoutQuorum(raft: Raft): void {
  const tick = raft.tick.bind(raft);
  raft.tick = () => {
    for (const each of raft.leading?.progress.values() ?? []) each.recentActive = true;
    tick();
  };
}

/** Of what a follower is to pass on, each 32nd batch goes nowhere. */
function forgetProposals(raft: Raft): void {
  const propose = raft.propose.bind(raft);
  let forwarded = 0;
  raft.propose = (commands) => {
    if (raft.isLeader || raft.state.leader === 0n) return propose(commands);
    return ++forwarded % 32 === 0 ? "forwarded" : propose(commands);
  };
}

export const CORE_MUTANTS: readonly Mutant[] = [
  {
    name: "commits beyond the matching entries of an append",
    breaks: "S1, Raft 5.3",
    noticedBy: ["commits what fits", "committed once", "state machine safety", "store's own"],
    seams: { raft: commitBeyondMatch },
  },
  {
    name: "commits beyond the matching entries of an append, detected when members differ",
    breaks: "S1, Raft 5.3",
    noticedBy: ["committed once", "state machine safety"],
    seams: { raft: commitBeyondMatch, silent: ["commits what fits"] },
  },
  {
    name: "does not write a vote that changes within a term",
    breaks: "S1, Raft 5.2",
    noticedBy: ["vote is durable", "one vote per term", "election safety"],
    seams: { raft: writeFirstVoteOnly },
  },
  {
    name: "a confirmed round also answers later reads",
    breaks: "S2, dissertation 6.4",
    noticedBy: ["read by a quorum", "read index", "linearizability", "time travel"],
    seams: { raft: confirmLaterReads },
  },
  {
    name: "accepts a change before an entry of its term is committed",
    breaks: "S9, dissertation 4.1",
    noticedBy: ["change follows its term", "quorums intersect", "configurations agree"],
    seams: { raft: changeEarly },
  },
  {
    name: "campaigns with a committed change unapplied",
    breaks: "S9, dissertation 4.1",
    noticedBy: ["elected by a quorum", "leader completeness", "election safety"],
    seams: { raft: campaignUnapplied },
  },
  {
    name: "applies a change before its commit index is durable",
    breaks: "S9",
    noticedBy: ["change is durable", "leader completeness", "state machine safety"],
    seams: {
      raft: (raft) => Object.assign(inside(raft), { durableCommit: Number.MAX_SAFE_INTEGER }),
    },
  },
  {
    name: "commits by the incoming voters alone",
    breaks: "S9, dissertation 4.3",
    noticedBy: ["committed by a durable quorum", "leader completeness", "state machine safety"],
    seams: { raft: onProgress(commitByIncoming) },
  },
  {
    name: "confirms reads by learners",
    breaks: "S2, S9",
    noticedBy: ["read by a quorum", "read index", "linearizability", "time travel"],
    seams: { raft: confirmByAnyone },
  },
  {
    name: "stays leader without a quorum",
    breaks: "S9, dissertation 6.2",
    noticedBy: ["partial partition"],
    // It takes an even number of voters that stays as it is.
    kind: {},
    seams: { raft: leadWithoutQuorum },
  },
  {
    name: "loses some forwarded proposals",
    breaks: "dissertation 6.2",
    noticedBy: ["progress"],
    seams: { raft: forgetProposals },
  },
];
