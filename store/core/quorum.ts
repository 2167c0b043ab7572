import type { MemberId } from "./types.ts";

export type VoteOutcome = "won" | "lost" | "pending";

/** The voters of a configuration: one majority, or two that must both agree while joint. */
export interface VoterSets {
  readonly voters: ReadonlySet<MemberId>;
  readonly outgoing: ReadonlySet<MemberId>;
}

/**
 * The largest index that a majority of `voters` has reached; unbounded for an empty set, which
 * agrees to anything.
 */
export function majorityIndex(
  voters: ReadonlySet<MemberId>,
  matchOf: (member: MemberId) => number,
): number {
  if (voters.size === 0) return Number.MAX_SAFE_INTEGER;
  if (voters.size === 1) for (const only of voters) return matchOf(only);
  const matches = [...voters].map(matchOf).sort((a, b) => b - a);
  return matches[voters.size >> 1]!;
}

/** The commit index that both majorities allow (dissertation section 4.3). */
export function jointIndex(sets: VoterSets, matchOf: (member: MemberId) => number): number {
  return Math.min(majorityIndex(sets.voters, matchOf), majorityIndex(sets.outgoing, matchOf));
}

/** How a ballot stands among `voters`; `votes` holds the answers received. */
export function majorityVote(
  voters: ReadonlySet<MemberId>,
  votes: ReadonlyMap<MemberId, boolean>,
): VoteOutcome {
  if (voters.size === 0) return "won";
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) missing++;
    else if (vote) granted++;
  }
  const quorum = (voters.size >> 1) + 1;
  if (granted >= quorum) return "won";
  return granted + missing >= quorum ? "pending" : "lost";
}

/** Won when both majorities are won, lost when either is lost. */
export function jointVote(sets: VoterSets, votes: ReadonlyMap<MemberId, boolean>): VoteOutcome {
  const incoming = majorityVote(sets.voters, votes);
  const outgoing = majorityVote(sets.outgoing, votes);
  if (incoming === outgoing) return incoming;
  return incoming === "lost" || outgoing === "lost" ? "lost" : "pending";
}
