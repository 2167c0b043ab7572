import { broadcastAppend } from "./append.ts";
import { advanceCommit } from "./commit.ts";
import { startPostponedReads } from "./read-index.ts";
import type { LeaderState } from "./state.ts";

/**
 * Advances the commit index and acts on it: the first commit of the term starts the reads that
 * waited for it, and every commit is sent to the followers. Returns whether there was one.
 */
export function commitAndBroadcast(raft: LeaderState): boolean {
  const advance = advanceCommit(raft);
  if (advance === "none") return false;
  if (advance === "first") startPostponedReads(raft);
  broadcastAppend(raft);
  return true;
}
