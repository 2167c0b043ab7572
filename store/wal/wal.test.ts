import { crc32c } from "@raft2kube/std/bytes.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { pick, type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { MemoryDisk } from "../../testing/disk/memory-disk.ts";
import { testFolder } from "../../testing/folders.ts";
import type { Entry } from "../core/types.ts";
import { SYNCED_MARK_DELAY_MS } from "../limits.ts";
import { machineDisk } from "./disk.ts";
import { LogDamagedError, LogFormatError, type LogWriteError } from "./errors.ts";
import { RECORD_HEADER_BYTES } from "./record.ts";
import {
  encodeSegmentHeader,
  LOG_FORMAT_VERSION,
  SEGMENT_HEADER_BYTES,
  segmentSequence,
} from "./segment.ts";
import { SYNCED_FORMAT_VERSION, SYNCED_NAME } from "./synced-mark.ts";
import { Wal } from "./wal.ts";

const identity = { clusterId: 7n, memberId: 1n };
const SEGMENT_BYTES = 4_096;

function open(
  disk: MemoryDisk,
  onFatal: (reason: LogWriteError) => void = unexpected,
  clock = new ManualClock(),
) {
  return Wal.open({ disk, identity, onFatal, clock, segmentBytes: SEGMENT_BYTES });
}

function unexpected(reason: unknown): never {
  throw reason;
}

function entry(index: number, term: number, bytes = 20): Entry {
  return { index, term, data: Buffer.alloc(bytes, index & 0xff), change: undefined };
}

let writes = 0;

function append(wal: Wal, entries: Entry[], done: () => void = () => undefined): void {
  wal.append({ id: ++writes, entries, hardState: undefined, snapshot: undefined }, done);
}

function shape(entries: Entry[]): number[][] {
  return entries.map(({ index, term, data }) => [index, term, data.length]);
}

test("what was appended is read again, hard state and membership changes included", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  const change = {
    steps: [{ action: "add-learner" as const, member: 9n }],
    transition: "explicit" as const,
    context: Buffer.from("name"),
  };
  append(wal, [entry(1, 1), { ...entry(2, 1, 0), change }]);
  const hardState = { term: 4, vote: 3n, commit: 1 };
  wal.append({ id: ++writes, entries: [], hardState, snapshot: undefined }, () => undefined);
  disk.run();
  const { recovered } = open(disk);
  expect(shape(recovered.entries)).toEqual([
    [1, 1, 20],
    [2, 1, 0],
  ]);
  expect(recovered.entries[1]!.change).toEqual(change);
  expect(recovered.hardState).toEqual(hardState);
});

test("S11: wherever a write tears, a change is read with the commit of the one before", () => {
  const steps = [{ action: "add-voter" as const, member: 9n }];
  const change = { steps, transition: "auto" as const, context: Buffer.from("x".repeat(50)) };
  const changes = [2, 4, 5].map((index) => ({ ...entry(index, 1, 0), change }));
  const entries = [entry(1, 1), changes[0]!, entry(3, 1), changes[1]!, changes[2]!, entry(6, 1)];
  const lengths = new Set<number>();
  for (let end = SEGMENT_HEADER_BYTES; end < 1_024; end += 4) {
    const disk = new MemoryDisk();
    const { wal } = open(disk);
    const hardState = { term: 1, vote: 3n, commit: 6 };
    wal.append({ id: ++writes, entries, hardState, snapshot: undefined }, () => undefined);
    disk.run();
    disk.files.delete(SYNCED_NAME);
    disk.tear(disk.list()[0]!, end);
    const { recovered } = open(disk);
    lengths.add(recovered.entries.length);
    const { commit } = recovered.hardState;
    const unknown = recovered.entries.filter((each) => each.change && each.index > commit);
    expect(unknown.length, `torn at ${end}: commit ${commit}`).toBeLessThan(2);
    expect(commit).toBeLessThanOrEqual(recovered.entries.length);
  }
  expect([...lengths].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test("group commit: all that waits while the disk is busy shares one sync", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  append(wal, [entry(1, 1)]);
  disk.run();
  const before = wal.syncs;
  let acknowledged = 0;
  for (let index = 2; index <= 20; index++) append(wal, [entry(index, 1)], () => acknowledged++);
  disk.run();
  expect(acknowledged).toBe(19);
  // One for the write that found the disk idle, one for the eighteen after it.
  expect(wal.syncs - before).toBe(2);
});

test("an entry written again takes the place of what followed it", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  append(wal, [entry(1, 1), entry(2, 1), entry(3, 1)]);
  append(wal, [entry(2, 2)]);
  disk.run();
  expect(shape(open(disk).recovered.entries)).toEqual([
    [1, 1, 20],
    [2, 2, 20],
  ]);
});

test("segments no longer needed are reused, and what they held does not come back", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  for (let index = 1; index <= 200; index++) {
    append(wal, [entry(index, 1, 200)]);
    disk.run();
    wal.cut(index - 10);
    disk.run();
  }
  expect(disk.list().length).toBeLessThan(6);
  const { recovered } = open(disk);
  expect(recovered.entries.at(-1)!.index).toBe(200);
  expect(recovered.base.index).toBeGreaterThan(150);
  expect(recovered.base.index + recovered.entries.length).toBe(200);
});

test("a record larger than a segment gets a segment of its own size", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  append(wal, [entry(1, 1), entry(2, 1, 3 * SEGMENT_BYTES)]);
  append(wal, [entry(3, 1)]);
  disk.run();
  expect(shape(open(disk).recovered.entries)).toEqual([
    [1, 1, 20],
    [2, 1, 3 * SEGMENT_BYTES],
    [3, 1, 20],
  ]);
});

/**
 * Appends at random, cuts the power at a random moment; returns how far was acknowledged and
 * written.
 */
function live(disk: MemoryDisk, random: Random) {
  const { wal, recovered } = open(disk);
  let last = recovered.base.index + recovered.entries.length;
  let acknowledged = last;
  const rounds = randomInteger(random, 1, 30);
  for (let round = 0; round < rounds; round++) {
    const entries: Entry[] = [];
    const count = randomInteger(random, 1, 8);
    for (let i = 0; i < count; i++) entries.push(entry(++last, 1, randomInteger(random, 0, 900)));
    const upTo = last;
    append(wal, entries, () => (acknowledged = upTo));
    disk.run(randomInteger(random, 0, 6));
    if (random.next() < 0.2) wal.cut(acknowledged - 20);
  }
  return { acknowledged, last };
}

test("S1: a power cut loses nothing acknowledged, and leaves a prefix of what was written", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const disk = new MemoryDisk();
    for (let start = 0; start < 4; start++) {
      const { acknowledged, last } = live(disk, random);
      disk.powerCut(random);
      const { recovered } = open(disk);
      const end = recovered.base.index + recovered.entries.length;
      expect(end, `seed ${seed}`).toBeGreaterThanOrEqual(acknowledged);
      expect(end, `seed ${seed}`).toBeLessThanOrEqual(last);
      recovered.entries.forEach(({ index, data }, i) => {
        expect(index).toBe(recovered.base.index + i + 1);
        expect(
          data.every((byte) => byte === (index & 0xff)),
          `seed ${seed}`,
        ).toBe(true);
      });
    }
  }
});

test("S8: a bit flipped in what was durable before the last sync is refused, with a remedy", () => {
  const random = seededRandom(11);
  for (let round = 0; round < 200; round++) {
    const disk = new MemoryDisk();
    const { wal } = open(disk);
    for (let index = 1; index <= 40; index++) {
      append(wal, [entry(index, 1, 100)]);
      disk.run();
    }
    const [name] = disk.list();
    // Within the first half: later records show that this was durable.
    disk.flipBit(name!, randomInteger(random, SEGMENT_HEADER_BYTES, SEGMENT_BYTES / 2), random);
    const thrown = caught(() => open(disk));
    expect(thrown).toBeInstanceOf(LogDamagedError);
    expect((thrown as LogDamagedError).remedy).toContain("remove");
  }
});

test("S8: a bit flipped in the last batch is refused as well: the mark vouches for it", () => {
  const random = seededRandom(12);
  for (let round = 0; round < 200; round++) {
    const disk = new MemoryDisk();
    const { wal } = open(disk);
    append(wal, [entry(1, 1, 100)]);
    disk.run();
    append(wal, [entry(2, 1, 100), entry(3, 1, 100)]);
    disk.run();
    const [name] = disk.list();
    const end = open(disk).recovered.end;
    const before = disk.read(name!);
    disk.flipBit(name!, randomInteger(random, SEGMENT_HEADER_BYTES, end), random);
    const thrown = caught(() => open(disk));
    expect(thrown).toBeInstanceOf(LogDamagedError);
    expect((thrown as LogDamagedError).remedy).toContain("add it again");
    // Nothing was cut: with the bit turned back, all is there.
    disk.files.get(name!)!.content = before;
    expect(open(disk).recovered.entries).toHaveLength(3);
  }
});

test("S8: the mark vouches for the last batch too when only a barrier waited behind it", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  append(wal, [entry(1, 1, 100)]);
  // Created, the folder synced, written.
  disk.run(3);
  append(wal, []);
  disk.run();
  const { end } = open(disk).recovered;
  disk.flipBit(disk.list()[0]!, end - 1, seededRandom(13));
  expect(() => open(disk)).toThrow(LogDamagedError);
});

/** Three entries, the last two in one batch, of which a bit flips before a power cut. */
function flippedBeforePowerCut(random: Random, idle_ms: number): MemoryDisk {
  const disk = new MemoryDisk();
  const clock = new ManualClock();
  const { wal } = open(disk, unexpected, clock);
  append(wal, [entry(1, 1, 100)]);
  disk.run();
  const from = open(disk).recovered.end + SEGMENT_HEADER_BYTES;
  append(wal, [entry(2, 1, 100), entry(3, 1, 100)]);
  disk.run();
  const end = open(disk).recovered.end + SEGMENT_HEADER_BYTES;
  clock.advance(idle_ms);
  disk.run();
  disk.flipBit(disk.list()[0]!, randomInteger(random, from, end), random);
  disk.powerCut(random);
  return disk;
}

test("S8: the mark is durable SYNCED_MARK_DELAY_MS later, and a power cut leaves it", () => {
  const random = seededRandom(14);
  for (let round = 0; round < 200; round++) {
    const disk = flippedBeforePowerCut(random, SYNCED_MARK_DELAY_MS);
    expect(caught(() => open(disk))).toBeInstanceOf(LogDamagedError);
  }
});

test("S8: until then a power cut may: the last batch is all that is lost, and the only one", () => {
  const random = seededRandom(15);
  const left = new Set<number>();
  for (let round = 0; round < 200; round++) {
    const disk = flippedBeforePowerCut(random, SYNCED_MARK_DELAY_MS - 1);
    const thrown = caught(() => left.add(open(disk).recovered.entries.length));
    expect(thrown === undefined || thrown instanceof LogDamagedError).toBe(true);
  }
  expect([...left].sort()).toEqual([1, 2]);
});

test("S1: what a start finds counts, so it is made durable, in a full segment too", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  append(wal, [entry(1, 1)]);
  disk.run();
  const { end, size } = open(disk).recovered;
  const space = size - SEGMENT_HEADER_BYTES - end;
  append(wal, [entry(2, 1, space - RECORD_HEADER_BYTES - 17)]);
  // Written, and killed before the sync.
  disk.run(1);
  const found = open(disk).recovered;
  expect([found.entries.length, found.end + SEGMENT_HEADER_BYTES]).toEqual([2, size]);
  disk.powerCut({ next: () => 0.9 });
  expect(open(disk).recovered.entries).toHaveLength(2);
});

test("S8: a crash while segments are given up never leaves a gap between those that stay", () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const disk = new MemoryDisk();
    const { wal } = open(disk);
    for (let index = 1; index <= 80; index++) append(wal, [entry(index, 1, 200)]);
    disk.run();
    wal.cut(70);
    while (disk.runAny(random)) {
      const sequences = disk.list().flatMap((name) => segmentSequence(name) ?? []);
      const [first = 0] = sequences;
      expect(sequences, `seed ${seed}`).toEqual(sequences.map((_, i) => first + i));
    }
  }
});

test("S8: a lost last segment is refused, and a damaged mark is no damage to the log", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  for (let index = 1; index <= 60; index++) {
    append(wal, [entry(index, 1, 200)]);
    disk.run();
  }
  const mark = disk.files.get(SYNCED_NAME)!;
  mark.content = Buffer.alloc(mark.content.length, 7);
  expect(open(disk).recovered.entries.at(-1)!.index).toBe(60);
  append(open(disk).wal, [entry(61, 1)]);
  disk.run();
  const segments = disk.list().filter((name) => name.endsWith(".wal"));
  disk.removeSync(segments.at(-1)!);
  expect(() => open(disk)).toThrow(/durable bytes damaged or missing/);
});

test("a mark of a later release is refused, naming both formats", () => {
  const disk = new MemoryDisk();
  append(open(disk).wal, [entry(1, 1)]);
  disk.run();
  disk.files.get(SYNCED_NAME)!.content.writeUInt32LE(SYNCED_FORMAT_VERSION + 1, 8);
  const [next, known] = [SYNCED_FORMAT_VERSION + 1, SYNCED_FORMAT_VERSION];
  expect(() => open(disk)).toThrow(`format ${next} of the mark; this release reads up to ${known}`);
});

function caught(act: () => unknown): unknown {
  try {
    act();
  } catch (thrown) {
    return thrown;
  }
  return undefined;
}

test("a missing segment is refused", () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk);
  for (let index = 1; index <= 60; index++) {
    append(wal, [entry(index, 1, 200)]);
    disk.run();
  }
  expect(disk.list().length).toBeGreaterThan(2);
  disk.removeSync(disk.list()[1]!);
  expect(() => open(disk)).toThrow(LogDamagedError);
});

test("S10: a failed sync ends the member and acknowledges nothing", () => {
  const disk = new MemoryDisk();
  const reasons: LogWriteError[] = [];
  const { wal } = open(disk, (reason) => reasons.push(reason));
  append(wal, [entry(1, 1)]);
  disk.run();
  disk.image.failNextSync = Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });
  let acknowledged = false;
  append(wal, [entry(2, 1)], () => (acknowledged = true));
  disk.run();
  append(wal, [entry(3, 1)], () => (acknowledged = true));
  disk.run();
  expect(acknowledged).toBe(false);
  expect(reasons.map(({ code, message }) => [code, message])).toEqual([
    ["LOG_WRITE", "0000000000000001.wal: EIO: i/o error, fdatasync"],
  ]);
});

test("S10: a log that has failed can be closed", async () => {
  const disk = new MemoryDisk();
  const { wal } = open(disk, () => undefined);
  append(wal, [entry(1, 1)]);
  disk.run();
  disk.image.failNextSync = Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" });
  append(wal, [entry(2, 1)]);
  disk.run();
  let closed = false;
  void wal.close().then(() => (closed = true));
  for (let turn = 0; turn < 20; turn++) {
    disk.run();
    await Promise.resolve();
  }
  expect(closed).toBe(true);
});

test("a newer format and another member's log are refused by name", () => {
  const disk = new MemoryDisk();
  append(open(disk).wal, [entry(1, 1)]);
  disk.run();
  const file = disk.files.get(disk.list()[0]!)!;
  const stranger = { ...identity, memberId: 2n };
  const other = () =>
    Wal.open({ ...{ disk, clock: new ManualClock(), onFatal: unexpected }, identity: stranger });
  expect(other).toThrow(/member 1 of cluster 7, not of member 2/);
  file.content.writeUInt32LE(LOG_FORMAT_VERSION + 1, 8);
  const head = file.content.subarray(0, SEGMENT_HEADER_BYTES);
  head.writeUInt32LE(crc32c(head.subarray(16), crc32c(head.subarray(0, 12))), 12);
  expect(() => open(disk)).toThrow(LogFormatError);
  expect(() => open(disk)).toThrow(`log format ${LOG_FORMAT_VERSION + 1}`);
});

test("S8: a bit flipped anywhere in a segment's header is damage, with a remedy", () => {
  const disk = new MemoryDisk();
  append(open(disk).wal, [entry(1, 1)]);
  disk.run();
  const { content } = disk.files.get(disk.list()[0]!)!;
  for (let bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit++) {
    content[bit >> 3]! ^= 1 << (bit & 7);
    const thrown = caught(() => open(disk));
    expect(thrown, `bit ${bit}`).toBeInstanceOf(LogDamagedError);
    expect(String(thrown)).toContain("damaged header at byte 0");
    content[bit >> 3]! ^= 1 << (bit & 7);
  }
});

test("any bytes in a segment give an error of ours or a shorter log, never a crash", () => {
  const random = seededRandom(3);
  for (let round = 0; round < 300; round++) {
    const disk = new MemoryDisk();
    const bytes = Buffer.alloc(2_000);
    encodeSegmentHeader(0).copy(bytes);
    for (let i = 0; i < 300; i++) {
      bytes[randomInteger(random, SEGMENT_HEADER_BYTES, 2_000)] = pick(random, [0, 1, 24, 255]);
    }
    disk.put("0000000000000001.wal", bytes);
    const thrown = caught(() => open(disk));
    expect(thrown === undefined || thrown instanceof LogDamagedError).toBe(true);
  }
});

test("on the machine's own disk", async () => {
  const folder = testFolder("r2k-wal-");
  const clock = systemClock();
  const options = { disk: machineDisk(folder), identity, clock, onFatal: unexpected };
  const { wal } = Wal.open(options);
  await new Promise<void>((resolve) => append(wal, [entry(1, 1), entry(2, 1)], resolve));
  await wal.close();
  expect(shape(Wal.open(options).recovered.entries)).toEqual([
    [1, 1, 20],
    [2, 1, 20],
  ]);
});
