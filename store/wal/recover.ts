import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { type Entry, type HardState, type LogBase, NONE } from "../core/types.ts";
import type { Disk } from "./disk.ts";
import { LogDamagedError, LogFormatError } from "./errors.ts";
import {
  decodeBase,
  decodeEntry,
  decodeHardState,
  decodeHead,
  type LogIdentity,
  type SegmentHead,
} from "./payload.ts";
import { type FoundRecord, RECORD } from "./record.ts";
import {
  decodeSegmentHeader,
  readSegment,
  SEGMENT_HEADER_BYTES,
  type SegmentContent,
  segmentName,
  segmentSequence,
} from "./segment.ts";
import { type FoundMark, readMark, SYNCED_NAME } from "./synced-mark.ts";

/** A segment file and the highest entry in it. */
export type SegmentInfo = { sequence: number; start: number; lastIndex: number };

/** Contents of the log as read from its segments. */
export interface RecoveredLog {
  /** Oldest first; the last is the one to continue. Empty for a new log. */
  segments: SegmentInfo[];
  hardState: HardState;
  /** The entry before `entries`; its term is undefined when the segment that held it is gone. */
  base: { index: number; term: number | undefined };
  entries: Entry[];
  /** Absolute position of the next write. */
  end: number;
  /** Size of the last segment's file, header included. */
  size: number;
  /** The last position known to be durable when the log was last written. */
  mark: FoundMark;
}

export const emptyLog = (): RecoveredLog => ({
  segments: [],
  hardState: { term: 0, vote: NONE, commit: 0 },
  base: { index: 0, term: 0 },
  entries: [],
  end: 0,
  size: 0,
  mark: { position: 0, nextSlot: 0, exists: false },
});

/**
 * Reads all segments, cuts the torn tail of the last write, and returns the log. Throws
 * LogDamagedError when bytes that were durable are missing or changed, LogFormatError for files
 * that are not ours.
 */
export function recoverLog(disk: Disk, identity: LogIdentity): RecoveredLog {
  const log = { ...emptyLog(), mark: readMark(disk) };
  let mend = () => {};
  const sequences = disk.list().flatMap((name) => segmentSequence(name) ?? []);
  for (const [i, sequence] of sequences.entries()) {
    const file = segmentName(sequence);
    const previous = sequences[i - 1];
    if (previous !== undefined && sequence !== previous + 1) {
      throw new LogDamagedError(file, 0, `no segment between ${previous} and ${sequence},`);
    }
    const last = i === sequences.length - 1;
    const bytes = disk.read(file);
    const start = decodeSegmentHeader(file, bytes);
    const content = start === undefined ? undefined : readSegment(file, bytes, start);
    if (!content || content.records.length === 0) {
      // A crash while a segment is created leaves the newest one without its first record.
      if (!last) throw new LogDamagedError(file, 0, "an empty segment before later ones");
      mend = () => disk.removeSync(file);
      break;
    }
    checkJoint(log, file, content);
    log.segments.push({ sequence, start: content.start, lastIndex: 0 });
    for (const record of content.records) takeRecord(log, file, record, identity);
    log.end = content.end;
    log.size = bytes.length;
    if (last) mend = () => cutTail(disk, file, content, bytes.length);
  }
  checkMark(log);
  mend();
  // The views into whole segments would keep them in memory.
  log.entries = log.entries.map((entry) => ({ ...entry, data: Buffer.from(entry.data) }));
  return log;
}

/** Invariant: a segment starts where the previous one ends; a gap means that one lost its end. */
function checkJoint(log: RecoveredLog, file: string, content: SegmentContent): void {
  if (log.segments.length === 0 || log.end === content.start) return;
  const missing = content.start - log.end;
  throw new LogDamagedError(file, 0, `${missing} bytes missing in the segment before, noticed`);
}

/**
 * An apparent torn tail of the last write is damage if the mark says that it was durable. Reported
 * before anything is truncated (S8).
 */
function checkMark({ mark, end, segments }: RecoveredLog): void {
  if (mark.position <= end) return;
  const last = segments.at(-1);
  const file = last ? segmentName(last.sequence) : SYNCED_NAME;
  const offset = last ? end - last.start + SEGMENT_HEADER_BYTES : 0;
  const missing = mark.position - end;
  throw new LogDamagedError(file, offset, `${missing} durable bytes damaged or missing`);
}

/**
 * Truncates after the last valid record: complete records of a torn write may follow, and must
 * never be read as part of a later write. Syncs the file even when there is nothing to cut: after a
 * kill before the sync the records may be in the page cache only, and from now on they count.
 */
function cutTail(disk: Disk, file: string, content: SegmentContent, size: number): void {
  const offset = content.end - content.start + SEGMENT_HEADER_BYTES;
  disk.cutSync(file, offset, size);
}

/** Takes one record. A record with a valid checksum that does not decode is damage. */
function takeRecord(
  log: RecoveredLog,
  file: string,
  { kind, payload, position }: FoundRecord,
  identity: LogIdentity,
): void {
  try {
    take(log, file, kind, payload, identity);
  } catch (thrown) {
    if (thrown instanceof CodedError) throw thrown;
    const offset = position - log.segments.at(-1)!.start + SEGMENT_HEADER_BYTES;
    throw new LogDamagedError(file, offset, `a record that means nothing (${messageOf(thrown)})`);
  }
}

function take(
  log: RecoveredLog,
  file: string,
  kind: number,
  payload: Buffer,
  identity: LogIdentity,
): void {
  switch (kind) {
    case RECORD.HEAD:
      return takeHead(log, file, decodeHead(payload), identity);
    case RECORD.ENTRY:
      return takeEntry(log, decodeEntry(payload));
    case RECORD.HARD_STATE:
      log.hardState = decodeHardState(payload);
      return undefined;
    case RECORD.SNAPSHOT:
      return startOver(log, decodeBase(payload));
    default:
      throw new LogFormatError(file, `a record of unknown kind ${kind}`);
  }
}

function takeHead(log: RecoveredLog, file: string, head: SegmentHead, own: LogIdentity): void {
  if (head.clusterId !== own.clusterId || head.memberId !== own.memberId) {
    const whose = `member ${head.memberId.toString(16)} of cluster ${head.clusterId.toString(16)}`;
    const ours = `member ${own.memberId.toString(16)} of cluster ${own.clusterId.toString(16)}`;
    throw new LogFormatError(file, `the log of ${whose}, not of ${ours}`);
  }
  if (log.segments.length > 1) return;
  log.base = head.base;
  log.hardState = head.hardState;
}

/** Appends an entry; one with an index that exists replaces that entry and all after it. */
function takeEntry(log: RecoveredLog, entry: Entry): void {
  const segment = log.segments.at(-1)!;
  segment.lastIndex = Math.max(segment.lastIndex, entry.index);
  if (entry.index <= log.base.index) {
    log.base = { index: entry.index - 1, term: undefined };
    log.entries = [];
  }
  const next = log.base.index + log.entries.length + 1;
  if (entry.index > next) throw new RangeError(`entry ${entry.index} after ${next - 1}`);
  log.entries.length = Math.min(log.entries.length, entry.index - log.base.index - 1);
  log.entries.push(entry);
}

function startOver(log: RecoveredLog, base: LogBase): void {
  log.base = base;
  log.entries = [];
}
