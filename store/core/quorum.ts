import type { MemberId } from "./types.ts";

export type VoteOutcome = "won" | "lost" | "pending";

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

/**
 * How a ballot stands among `voters`; `votes` holds the answers received, others' than voters' too.
 * An empty set agrees to anything.
 */
export function majorityVote(
  voters: ReadonlySet<MemberId>,
  votes: ReadonlyMap<MemberId, boolean>,
): VoteOutcome {
  // lab:03 begin majority-vote
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
  // lab:03 end
}
