import { everyMember } from "../core/membership.ts";
import type { Raft } from "../core/raft.ts";
import type { SnapshotMark } from "../core/types.ts";
import { LOG_TAIL_BYTES_MAX, LOG_TAIL_ENTRIES_MAX } from "../limits.ts";
import type { Wal } from "../wal/wal.ts";

/**
 * The state up to `mark` is durable: the log goes, but for `keep` entries before it. In the files
 * all that follows `mark` stays, even if the log in memory starts later: a received snapshot that
 * it starts with may be lost in a crash as long as its record is not durable (S1).
 */
export function cutLog(
  { raft, wal }: { raft: Raft; wal: Pick<Wal, "cut"> },
  mark: SnapshotMark,
  keep: number,
): void {
  raft.compact(mark, keep);
  wal.cut(Math.min(raft.state.log.base.index, mark.index));
}

/**
 * Returns how many entries up to `applied` stay in the log for followers that are a little behind:
 * none in a cluster of one. Entry 1 never stays (see `open.ts`).
 */
export function logTail(raft: Raft, applied: number, entries_max = LOG_TAIL_ENTRIES_MAX): number {
  const { log, membership, id } = raft.state;
  if (everyMember(membership).every((member) => member === id)) return 0;
  let bytes = 0;
  let kept = 0;
  while (kept < Math.min(entries_max, applied - 1)) {
    const entry = log.entry(applied - kept);
    if (!entry) break;
    bytes += entry.data.length;
    if (bytes > LOG_TAIL_BYTES_MAX) break;
    kept++;
  }
  return kept;
}
