import { majorityIndex, majorityVote, type VoteOutcome } from "./quorum.ts";
import type { MemberId } from "./types.ts";

/** The voters of a configuration: one majority, or two that must both agree while joint. */
export interface VoterSets {
  readonly voters: ReadonlySet<MemberId>;
  readonly outgoing: ReadonlySet<MemberId>;
}

/** The commit index that both majorities allow (dissertation section 4.3). */
export function jointIndex(sets: VoterSets, matchOf: (member: MemberId) => number): number {
  // lab:05 begin joint-index
  return Math.min(majorityIndex(sets.voters, matchOf), majorityIndex(sets.outgoing, matchOf));
  // lab:05 end
}

/** Counts a vote: won when both majorities are won, lost when either is lost. */
export function jointVote(sets: VoterSets, votes: ReadonlyMap<MemberId, boolean>): VoteOutcome {
  // lab:05 begin joint-vote
  const incoming = majorityVote(sets.voters, votes);
  const outgoing = majorityVote(sets.outgoing, votes);
  if (incoming === outgoing) return incoming;
  return incoming === "lost" || outgoing === "lost" ? "lost" : "pending";
  // lab:05 end
}
