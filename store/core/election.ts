import { commitNews, endForConflict, isOutvoted } from "./conflict.ts";
import { jointVote } from "./joint.ts";
import { startTerm } from "./leadership.ts";
import type { RaftLog } from "./log.ts";
import type { VoteMessage, VoteReplyMessage } from "./message.ts";
import {
  becomeCandidate,
  becomeFollower,
  becomePreCandidate,
  isSoleVoter,
  isVoter,
  type RaftState,
  send,
  sendAfterPersist,
} from "./state.ts";
import { NONE } from "./types.ts";

/** The cause of a campaign: `pre-vote` asks first, `transfer` is asked for by the leader. */
export type CampaignKind = "pre-vote" | "election" | "transfer";

/** A tick of a member that is no leader: without a leader for its election timeout it campaigns. */
export function tickFollower(raft: RaftState): void {
  // lab:03 begin tick-follower
  raft.electionElapsed++;
  if (raft.electionElapsed >= raft.electionTimeout) standForElection(raft);
  // lab:03 end
}

/** Stands for election now, if it may. A sole voter needs no pre-vote. */
export function standForElection(raft: RaftState): void {
  // A member that may not campaign keeps counting: it must not seem to have a leader.
  if (raft.role === "leader" || !mayCampaign(raft)) return;
  // No majority has what this member has, and none ever will.
  const [conflict] = raft.conflicts.values();
  if (conflict && isOutvoted(raft)) return endForConflict(raft, conflict);
  raft.electionElapsed = 0;
  campaign(raft, isSoleVoter(raft) ? "election" : "pre-vote");
}

/** Whether this member may campaign: a voter with no committed membership change still to apply. */
export function mayCampaign(raft: RaftState): boolean {
  return isVoter(raft, raft.id) && !raft.log.hasChange(raft.applied, raft.log.committed);
}

/**
 * Asks the voters of both configurations, no learner, for their vote (Raft section 5.2), or first
 * whether they would give it (dissertation 9.6). This member's own vote is a reply to itself.
 */
export function campaign(raft: RaftState, kind: CampaignKind): void {
  // lab:03 begin campaign
  const pre = kind === "pre-vote";
  if (pre) becomePreCandidate(raft);
  else becomeCandidate(raft);
  const term = pre ? raft.term + 1 : raft.term;
  const news = commitNews(raft);
  const voters = new Set([...raft.voterSets.voters, ...raft.voterSets.outgoing]);
  for (const to of voters) {
    if (to === raft.id) {
      // Our own vote counts once it is on disk, like anyone's.
      sendAfterPersist(raft, { kind: "vote-reply", to, term, pre, granted: true, ...news });
      continue;
    }
    const { lastIndex, lastTerm } = raft.log;
    const transfer = kind === "transfer";
    const vote = { kind: "vote", to, term, pre, lastIndex, lastTerm, transfer, ...news } as const;
    // A vote for us is a vote for this log, and once in this term: after a crash we must not
    // stand in it again with a shorter one. So the request waits for the disk, as a vote does.
    if (pre) send(raft, vote);
    else sendAfterPersist(raft, vote);
  }
  // lab:03 end
}

/** Campaigns immediately: the leader transfers its leadership to this member. */
export function handleTimeoutNow(raft: RaftState): void {
  if (raft.role === "follower" && mayCampaign(raft)) campaign(raft, "transfer");
}

/** Whether a candidate's log is at least as complete as ours (Raft section 5.4.1). */
function isUpToDate(log: RaftLog, lastIndex: number, lastTerm: number): boolean {
  // lab:03 begin is-up-to-date
  return lastTerm > log.lastTerm || (lastTerm === log.lastTerm && lastIndex >= log.lastIndex);
  // lab:03 end
}

/**
 * Answers a request for a vote; the caller has dealt with terms. A candidate whose log is up to
 * date gets the vote of a member that voted for it, or that has neither voted nor a leader, and the
 * pre-vote of any member for a later term. A grant is in the term that was asked for, a refusal in
 * the member's own.
 */
export function handleVote(raft: RaftState, message: VoteMessage): void {
  // lab:03 begin handle-vote
  takeCommitNews(raft, message);
  const free = raft.vote === NONE && raft.leader === NONE;
  const mayVote = raft.vote === message.from || free || (message.pre && message.term > raft.term);
  const granted = mayVote && isUpToDate(raft.log, message.lastIndex, message.lastTerm);
  const { from: to, pre } = message;
  // A granted pre-vote answers in the term asked for, so that the candidate counts it.
  const term = granted ? message.term : raft.term;
  const reply = { kind: "vote-reply", to, term, pre, granted, ...commitNews(raft) } as const;
  if (pre || !granted) return send(raft, reply);
  raft.electionElapsed = 0;
  raft.vote = message.from;
  sendAfterPersist(raft, reply);
  // lab:03 end
}

/**
 * Counts the first answer of each member to the ballot under way. Answers to another kind of ballot
 * are old, and so is a granted pre-vote of another term than the next.
 */
export function handleVoteReply(raft: RaftState, message: VoteReplyMessage): void {
  // lab:03 begin handle-vote-reply
  takeCommitNews(raft, message);
  if (raft.role !== "candidate" && raft.role !== "pre-candidate") return;
  const pre = raft.role === "pre-candidate";
  if (message.pre !== pre) return;
  if (pre && message.granted && message.term !== raft.term + 1) return;
  if (!raft.votes.has(message.from)) raft.votes.set(message.from, message.granted);
  const outcome = jointVote(raft.voterSets, raft.votes);
  if (outcome === "won") {
    if (raft.role === "candidate") startTerm(raft);
    else campaign(raft, "election");
  } else if (outcome === "lost") {
    becomeFollower(raft, raft.term, NONE);
  }
  // lab:03 end
}

/** Commits what another member has committed, where our log has the same entry (log matching). */
function takeCommitNews(raft: RaftState, message: VoteMessage | VoteReplyMessage): void {
  const { commit, commitTerm } = message;
  if (raft.role === "leader" || commit <= raft.log.committed) return;
  if (raft.log.term(commit) !== commitTerm) return;
  raft.log.commitTo(commit);
  // A received entry may be a membership change: apply it before campaigning.
  if (raft.role !== "follower" && !mayCampaign(raft)) becomeFollower(raft, raft.term, NONE);
}
