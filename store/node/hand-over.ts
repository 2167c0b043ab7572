import type { MemberId } from "../core/types.ts";
import { HAND_OVER_TIMEOUT_MS } from "../limits.ts";
import type { Replica } from "./replica.ts";

/**
 * A leader about to stop lets the voter with the longest log take over, so that the others need
 * not miss it first. Resolves when that is done, or has taken too long.
 */
export async function handOver(replica: Replica): Promise<void> {
  const { raft, stopped } = replica;
  if (stopped || !raft.isLeader) return;
  const successor = successorOf(replica);
  if (successor === undefined) return;
  replica.transferLeadership(successor);
  await replica.until(() => !raft.isLeader, HAND_OVER_TIMEOUT_MS);
}

function successorOf({ raft }: Replica): MemberId | undefined {
  if (!raft.leading) return undefined;
  const { progress, id, voterSets } = raft.leading;
  let best: { member: MemberId; match: number } | undefined;
  for (const [member, { match, state }] of progress) {
    const reachable = member !== id && voterSets.voters.has(member) && state === "replicate";
    if (reachable && (!best || match > best.match)) best = { member, match };
  }
  return best?.member;
}
