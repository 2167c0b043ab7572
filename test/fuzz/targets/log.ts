import { crc32c } from "@raft2kube/std/bytes.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { LogDamagedError, LogFormatError } from "@raft2kube/store/wal/errors.ts";
import { RECORD_HEADER_BYTES, recordSize } from "@raft2kube/store/wal/record.ts";
import { recoverLog } from "@raft2kube/store/wal/recover.ts";
import { SEGMENT_HEADER_BYTES } from "@raft2kube/store/wal/segment.ts";
import { SYNCED_NAME } from "@raft2kube/store/wal/synced-mark.ts";
import { Wal } from "@raft2kube/store/wal/wal.ts";
import { MemoryDisk } from "../../../testing/disk/memory-disk.ts";
import type { Target } from "../target.ts";

const identity = { clusterId: 7n, memberId: 1n };
const SEGMENT_BYTES = 2_048;
/** Separator of an input's parts: the log's first segment, its second, the mark. */
const SEPARATOR = Buffer.from("\n--part--\n", "latin1");
const NAMES = ["0000000000000001.wal", "0000000000000002.wal", SYNCED_NAME];

function logOf(entries: number): Buffer {
  const disk = new MemoryDisk();
  const clock = new ManualClock();
  const onFatal = (reason: unknown) => {
    throw reason;
  };
  const { wal } = Wal.open({ disk, identity, clock, onFatal, segmentBytes: SEGMENT_BYTES });
  const change = {
    steps: [{ action: "remove" as const, member: 3n }],
    transition: "explicit" as const,
    context: Buffer.from("context"),
  };
  for (let index = 1; index <= entries; index++) {
    const data = Buffer.alloc(index % 70, index);
    const entry = { index, term: 1 + (index >> 3), data, change: undefined };
    const special = index % 7 === 3 ? { ...entry, data: Buffer.alloc(0), change } : entry;
    const saved = { term: entry.term, vote: 2n, commit: index - 1 };
    const hardState = index % 4 === 0 ? saved : undefined;
    const write = { id: index, entries: [special], hardState, snapshot: undefined };
    wal.append(write, () => undefined);
    disk.run();
  }
  const parts = NAMES.map((name) => disk.files.get(name)?.content ?? Buffer.alloc(0));
  return join(parts);
}

const join = (parts: Buffer[]) =>
  Buffer.concat(parts.flatMap((part, i) => (i === 0 ? [part] : [SEPARATOR, part])));

function split(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  while (parts.length < NAMES.length - 1) {
    const end = bytes.indexOf(SEPARATOR, at);
    if (end < 0) break;
    parts.push(bytes.subarray(at, end));
    at = end + SEPARATOR.length;
  }
  return [...parts, bytes.subarray(at)];
}

function diskOf(parts: Buffer[]): MemoryDisk {
  const disk = new MemoryDisk();
  parts.forEach((part, i) => {
    if (part.length === 0) return;
    disk.put(NAMES[i]!, part);
  });
  return disk;
}

/** A log of one or two segments and its mark. */
export const log: Target = {
  name: "log",
  corpus: async () => [1, 6, 20, 40].map(logOf),
  seal: (bytes) => join(split(bytes).map((part, i) => (i < 2 ? sealSegment(part) : part))),
  async read(bytes) {
    const disk = diskOf(split(bytes));
    try {
      const first = recoverLog(disk, identity);
      first.entries.forEach(({ index }, i) => {
        if (index !== first.base.index + i + 1) throw new Error(`entry ${index} out of its place`);
      });
      // A start that cuts a torn tail leaves what the next one finds.
      const second = recoverLog(disk, identity);
      if (second.end !== first.end) throw new Error(`ends at ${first.end}, then ${second.end}`);
      return "taken";
    } catch (thrown) {
      if (thrown instanceof LogDamagedError || thrown instanceof LogFormatError) return "refused";
      throw thrown;
    }
  },
};

/** Checksums of the header and of the records, as far as their lengths lead. */
function sealSegment(part: Buffer): Buffer {
  const bytes = Buffer.from(part);
  if (bytes.length < SEGMENT_HEADER_BYTES) return bytes;
  bytes.writeUInt32LE(crc32c(bytes.subarray(16, 24), crc32c(bytes.subarray(0, 12))), 12);
  for (let at = SEGMENT_HEADER_BYTES; at + RECORD_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    const end = at + RECORD_HEADER_BYTES + length;
    if (length === 0 || end > bytes.length) break;
    bytes.writeUInt32LE(crc32c(bytes.subarray(at + 4, end)), at);
    at += recordSize(length);
  }
  return bytes;
}
