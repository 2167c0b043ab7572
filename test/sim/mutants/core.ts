import { broadcastAppend } from "@raft2kube/store/core/append.ts";
import { appendOwn } from "@raft2kube/store/core/leadership.ts";
import { changeMembership, MembershipError } from "@raft2kube/store/core/membership.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import { majorityIndex } from "@raft2kube/store/core/quorum.ts";
import type { Raft } from "@raft2kube/store/core/raft.ts";
import { startPostponedReads } from "@raft2kube/store/core/read-index.ts";
import type { PendingRead } from "@raft2kube/store/core/read-queue.ts";
import { type LeaderState, send } from "@raft2kube/store/core/state.ts";
import type { MembershipChange } from "@raft2kube/store/core/types.ts";
import { inside, insideLeader, type Mutant, matchOf, onProgress } from "./mutant.ts";

/** Commits up to an append's commit index, also beyond the entries that match. */
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

/** Keeps the vote that was written first in a term on disk for the whole term. */
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

/** A round confirmed by a quorum answers all reads that are pending by then. */
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

/** A leader accepts a change as soon as it leads, if its whole log is applied. */
function changeEarly(raft: Raft): void {
  const propose = raft.proposeChange.bind(raft);
  raft.proposeChange = (change) => {
    const proposed = propose(change);
    if (typeof proposed === "string" || !("refused" in proposed)) return proposed;
    if (proposed.refused !== "term-not-committed") return proposed;
    return appendChange(insideLeader(raft)!, change) ?? proposed;
  };
}

/** A new leader forgets that changes of earlier terms may not be applied yet. */
function forgetOlderChanges(raft: Raft): void {
  let led = 0;
  const onElection = (act: () => void) => {
    act();
    const leader = insideLeader(raft);
    if (!leader || leader.term === led) return;
    led = leader.term;
    leader.pendingChangeIndex = 0;
  };
  const step = raft.step.bind(raft);
  const campaign = raft.campaign.bind(raft);
  raft.step = (message) => onElection(() => step(message));
  raft.campaign = () => onElection(campaign);
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

/** Makes a member campaign as if every committed entry were applied. */
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

/**
 * A change is written without the commit index that says that the one before is committed, and
 * a restart does not conclude that from the log.
 */
function writeChangeAlone(raft: Raft): void {
  const { log, durableCommit } = inside(raft);
  log.changeBeforeLast = () => 0;
  log.committed = Math.max(durableCommit, log.base.index);
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

/** Counts the acknowledgements of a read round from all members. */
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

/** A leader without a quorum stays leader. */
function leadWithoutQuorum(raft: Raft): void {
  const tick = raft.tick.bind(raft);
  raft.tick = () => {
    for (const each of raft.leading?.progress.values() ?? []) each.recentActive = true;
    tick();
  };
}

/** Loses each 32nd batch of proposals that a follower forwards. */
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
    name: "accepts a change while one of an older term is unapplied",
    breaks: "S9, S11, dissertation 4.1",
    noticedBy: ["one change at a time", "a change is known to be committed"],
    seams: { raft: forgetOlderChanges },
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
    name: "writes a change without the commit of the one before",
    breaks: "S11, dissertation 4.1",
    noticedBy: ["a change is known to be committed"],
    seams: { raft: writeChangeAlone },
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
    // It needs an even number of voters that does not change.
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
