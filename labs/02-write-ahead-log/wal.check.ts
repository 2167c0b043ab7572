import { crc32c } from "@raft2kube/std/bytes.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { LogDamagedError, type LogWriteError } from "@raft2kube/store/wal/errors.ts";
import {
  decodeRecord,
  encodeRecord,
  RECORD,
  RECORD_ALIGN_BYTES,
  RECORD_HEADER_BYTES,
  recordSize,
} from "@raft2kube/store/wal/record.ts";
import {
  encodeSegmentHeader,
  readSegment,
  SEGMENT_HEADER_BYTES,
} from "@raft2kube/store/wal/segment.ts";
import { SYNCED_NAME } from "@raft2kube/store/wal/synced-mark.ts";
import { Wal } from "@raft2kube/store/wal/wal.ts";
import { check, stillAtWork } from "../check.ts";
import { judge } from "../judge.ts";
import { CrashDisk } from "./crash-disk.ts";

const identity = { clusterId: 1n, memberId: 2n };
const clock = systemClock();
/** Idle turns of the event loop after which the disk is assumed to have no more work. */
const IDLE_TURNS_MAX = 500;
const AWAIT_MS_MAX = 5_000;

/** Waits for a condition; fails once the disk stays idle without it, or after AWAIT_MS_MAX. */
async function awaited(
  disk: CrashDisk,
  when: string,
  expected: string,
  progress: () => { readonly done: boolean; readonly happened: string },
): Promise<void> {
  const begun_ms = clock.monotonic();
  for (let idle = 0; !progress().done; idle = disk.idle ? idle + 1 : 0) {
    const took_ms = clock.monotonic() - begun_ms;
    const { happened } = progress();
    judge(idle < IDLE_TURNS_MAX && took_ms < AWAIT_MS_MAX, {
      when,
      expected,
      happened: `${happened}; ${disk.idle ? "the disk is idle" : "the disk is still busy"}`,
      why: "the member waits for this too: clients get no answers and it cannot be stopped",
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits until `count` of the writes are acknowledged. */
function awaitAcknowledged(disk: CrashDisk, count: number, acknowledged: () => number) {
  const expected = `done() for ${count === 1 ? "the write" : `all ${count}`} once durable`;
  return awaited(disk, `${count} appended`, expected, () => {
    const have = acknowledged();
    return { done: have >= count, happened: `done() for ${have} of ${count}` };
  });
}

/** Closes the log; fails if `close` does not return. */
async function close(wal: Wal, disk: CrashDisk): Promise<void> {
  let closed = false;
  void wal.close().then(() => (closed = true));
  const expected = "it returns once every queued append is durable";
  await awaited(disk, "close() of the log", expected, () => {
    return { done: closed, happened: "it does not return (does `#pump` call `#idle`?)" };
  });
}

function entry(index: number) {
  return { index, term: 1, data: Buffer.from(`command ${index}`), change: undefined };
}

function write(id: number) {
  return { id, entries: [entry(id)], hardState: undefined, snapshot: undefined };
}

/** Bytes of a segment: the disk in memory allocates and copies all of them. */
const SEGMENT_BYTES = 65_536;

function openLog(disk: CrashDisk, failures: LogWriteError[] = []) {
  const onFatal = (reason: LogWriteError) => failures.push(reason);
  return Wal.open({ disk, identity, clock, onFatal, segmentBytes: SEGMENT_BYTES });
}

/** Appends 1..count; resolves with the acknowledged indexes once all are, or the disk is dead. */
async function appendAll(wal: Wal, disk: CrashDisk, count: number): Promise<number[]> {
  const acknowledged: number[] = [];
  for (let id = 1; id <= count; id++) wal.append(write(id), () => acknowledged.push(id));
  await awaitAcknowledged(disk, count, () => (disk.dead ? count : acknowledged.length));
  return acknowledged;
}

const payload = Buffer.from("set x 1");
/** The page's record, and one of a log that has grown beyond 4 GiB. */
const POSITIONS = [4096, 0x1_0000_1000] as const;
/** How far a record lies beyond the durable end. */
const DISTANCE = 96;

const encodeInto = (target: Buffer, position: number) => {
  const place = { position, durable: position - DISTANCE };
  return encodeRecord(target, 64, { kind: RECORD.ENTRY, payload }, place);
};
const encoded = (position: number = POSITIONS[0]) => {
  const target = Buffer.alloc(256, 0xaa);
  encodeInto(target, position);
  return target;
};

/** The fields of the record: name, offset, and offset of the next. */
const FIELDS = [
  ["CRC-32C", 0, 4],
  ["length", 4, 8],
  ["kind", 8, 12],
  ["distance", 12, 16],
  ["position", 16, 24],
  ["payload", 24, 31],
  ["gap", 31, 32],
] as const;

/** Returns the bytes that the page's table requires. */
function bytesAt(position: number): Buffer {
  const record = Buffer.alloc(recordSize(payload.length));
  record.writeUInt32LE(payload.length, 4);
  record.writeUInt32LE(RECORD.ENTRY, 8);
  record.writeUInt32LE(DISTANCE, 12);
  record.writeBigUInt64LE(BigInt(position), 16);
  payload.copy(record, RECORD_HEADER_BYTES);
  const end = RECORD_HEADER_BYTES + payload.length;
  record.writeUInt32LE(crc32c(record.subarray(4, end)), 0);
  return record;
}

function judgeBytes(position: number): void {
  const expected = bytesAt(position);
  const own = encoded(position).subarray(64, 64 + expected.length);
  const differing = FIELDS.filter(([, from, to]) => {
    return !own.subarray(from, to).equals(expected.subarray(from, to));
  });
  const shown = (bytes: Buffer) => {
    return differing
      .map(([name, from, to]) => {
        return `${name} ${bytes.toString("hex", from, to).replace(/..(?=.)/g, "$& ")}`;
      })
      .join(", ");
  };
  judge(differing.length === 0, {
    when: `encodeRecord of "${payload}" at position ${position}, ${DISTANCE} after the durable end`,
    expected: shown(expected),
    happened: shown(own),
    why: "the member reads its log after the crash: a byte that differs makes the record invalid",
  });
}

check("a record is read back as it was written", () => {
  for (const position of POSITIONS) {
    judgeBytes(position);
    const found = decodeRecord(encoded(position), 64, position);
    const same = found?.payload.equals(payload) === true && found.kind === RECORD.ENTRY;
    judge(same && found.durable === position - DISTANCE, {
      when: `decodeRecord of that record at position ${position}`,
      expected: `kind ${RECORD.ENTRY}, the payload "${payload}", durable ${position - DISTANCE}`,
      happened: found ? `found ${JSON.stringify(found)}` : "no record was found",
      why: "recovery rebuilds the member's whole state from these records",
    });
  }
  const next = encodeInto(Buffer.alloc(256), POSITIONS[0]);
  judge(next === 64 + recordSize(payload.length), {
    when: "encodeRecord at offset 64: its result",
    expected: `${64 + recordSize(payload.length)}: where the next record begins`,
    happened: `${next}`,
    why: "the records of a batch are encoded one after the other, each at a multiple of 8",
  });
  const size = decodeRecord(encoded(), 64, POSITIONS[0])?.size;
  judge(size === recordSize(payload.length), {
    when: "decodeRecord: the size of the record",
    expected: `${recordSize(payload.length)} bytes: header and payload, rounded up to 8`,
    happened: `${size} bytes`,
    why: "recovery looks for the next record directly after this one",
  });
});

check("a record is valid only at the position it was written for", () => {
  for (const position of [8192, POSITIONS[1]]) {
    judge(decodeRecord(encoded(), 64, position) === undefined, {
      when: `decodeRecord at ${position} of a complete record that was written for ${POSITIONS[0]}`,
      expected: "undefined",
      happened: "the record was accepted",
      why: "a recycled segment contains complete old records: accepted, they undo later writes",
    });
  }
});

check("a record that is cut off is not there", () => {
  for (let length = 0; length < recordSize(payload.length); length++) {
    const found = decodeRecord(encoded().subarray(0, 64 + length), 64, 4096);
    judge(found === undefined, {
      when: `decodeRecord where the file ends ${length} bytes after the record's beginning`,
      expected: "undefined: header, payload and the zeros up to the next record must all be there",
      happened: "the record was accepted",
      why: "a crash may leave a file of any length; the next record would begin beyond its end",
    });
  }
  // A length that leads beyond the file, and a CRC of the bytes up to its end.
  const forged = Buffer.alloc(48);
  encodeRecord(forged, 0, { kind: RECORD.ENTRY, payload }, { position: 4096, durable: 4000 });
  forged.writeUInt32LE(forged.length - RECORD_HEADER_BYTES + RECORD_ALIGN_BYTES, 4);
  forged.writeUInt32LE(crc32c(forged.subarray(4)), 0);
  judge(decodeRecord(forged, 0, 4096) === undefined, {
    when: "decodeRecord: the length leads beyond the file, the CRC is of what is there",
    expected: "undefined",
    happened: "the record was accepted",
    why: "its payload is not whole: what is missing would be read as if it had never been written",
  });
});

check("one flipped bit anywhere makes a record invalid", () => {
  const size = recordSize(payload.length);
  for (let bit = 0; bit < size * 8; bit++) {
    const damaged = encoded();
    const byte = 64 + (bit >> 3);
    damaged[byte] = damaged[byte]! ^ (1 << (bit & 7));
    judge(decodeRecord(damaged, 64, 4096) === undefined, {
      when: `decodeRecord with bit ${bit & 7} of byte ${bit >> 3} flipped`,
      expected: "undefined: the CRC-32C covers all bytes after itself, the gap after it is zeros",
      happened: "the damaged record was accepted",
      why: "otherwise damaged data is served as if it had been written (invariant S8)",
    });
  }
});

const START = 4096;

/** Larger than any part of a segment that a search for later records might be limited to. */
const LONG = Buffer.alloc(1024 * 1024, "x");

/**
 * A segment of records, each given as the number of records that were durable when it was written;
 * the byte after the first one is damaged.
 */
function damagedAfterFirst(durable: readonly number[], second: Buffer): Buffer {
  const payloads = durable.map((_, i) => (i === 1 ? second : payload));
  const starts = [0];
  for (const each of payloads) starts.push(starts.at(-1)! + recordSize(each.length));
  const zeros = 4 * recordSize(payload.length);
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES + starts.at(-1)! + zeros);
  encodeSegmentHeader(START).copy(bytes);
  for (const [i, count] of durable.entries()) {
    const place = { position: START + starts[i]!, durable: START + starts[count]! };
    const record = { kind: RECORD.ENTRY, payload: payloads[i]! };
    encodeRecord(bytes, SEGMENT_HEADER_BYTES + starts[i]!, record, place);
  }
  const damaged = SEGMENT_HEADER_BYTES + starts[1]!;
  bytes[damaged] = bytes[damaged]! ^ 1;
  return bytes;
}

check("what follows the last whole record is a tear, unless it was durable", () => {
  const cases = [
    [[0, 1, 1], payload, "torn", "2 and 3 are one batch, not durable: a disk may write 3 first"],
    [[0, 0, 0], payload, "torn", "all three are one batch"],
    [[0, 1, 2], payload, "damaged", "when 3 was written, 2 was durable"],
    [[0, 1, 1, 3], payload, "damaged", "when 4 was written, 2 and 3 were durable"],
    [[0, 1, 2], LONG, "damaged", "it has 1 MiB; when 3 was written, 2 was durable"],
  ] as const;
  for (const [durable, second, expected, what] of cases) {
    let happened = "torn";
    let found = 1;
    try {
      found = readSegment("segment", damagedAfterFirst(durable, second), START).records.length;
    } catch (thrown) {
      if (!(thrown instanceof LogDamagedError)) throw thrown;
      happened = "damaged";
    }
    judge(happened === expected && found === 1, {
      when: `readSegment of ${durable.length} records, the second damaged (${what})`,
      expected: expected === "torn" ? "the first record, and no error" : "LogDamagedError",
      happened: happened === "torn" ? `${found} records, and no error` : "LogDamagedError",
      why: "after a tear a member goes on; damage to acknowledged bytes must stop it (S8)",
    });
  }
});

check("no append is acknowledged before it is synced", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  const survivors: number[] = [];
  wal.append(write(1), () => {
    const { recovered } = openLog(disk.restarted(() => 0));
    survivors.push(recovered.entries.length);
  });
  await awaitAcknowledged(disk, 1, () => survivors.length);
  await close(wal, disk);
  judge(survivors[0] === 1, {
    when: "append of entry 1, then a power loss as done() is called",
    expected: "the write was synced first: entry 1 is recovered after the restart",
    happened: "done() was called before the sync, and entry 1 is lost",
    why: "the leader counts this member toward the majority: it must not lose the entry (S1)",
  });
  judge(survivors.length === 1, {
    when: "append of entry 1",
    expected: "done() once",
    happened: `done() ${survivors.length} times`,
    why: "an acknowledgement counted twice makes a majority that does not exist",
  });
});

check("appends that wait for the disk are written under one sync", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  await appendAll(wal, disk, 1);
  const before = disk.syncs;
  const acknowledged: number[] = [];
  for (let id = 2; id <= 101; id++) wal.append(write(id), () => acknowledged.push(id));
  await awaitAcknowledged(disk, 100, () => acknowledged.length);
  await close(wal, disk);
  const syncs = disk.syncs - before;
  judge(syncs <= 3, {
    when: "100 appends at once to an open log",
    expected: "at most 3 syncs: the first write, then one batch of all the others",
    happened: `${syncs} syncs`,
    why: "a sync costs as much as a thousand appends: group commit makes the log fast",
  });
});

check("acknowledgements follow the order of the appends", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  const order = await appendAll(wal, disk, 50);
  await close(wal, disk);
  judge(
    order.every((id, i) => id === i + 1),
    {
      when: "50 appends at once",
      expected: "done() for 1, 2, 3, ... 50",
      happened: `the order ${order.join(" ")}`,
      why: "Raft needs a log without gaps: entry 7 is durable only if 1 to 6 are",
    },
  );
});

check("a write without records is acknowledged after the writes before it", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  const order: string[] = [];
  const done = (name: string) => () => void order.push(name);
  wal.append(write(1), done("1"));
  // 2 and 3 wait for the disk, and are one batch.
  wal.append(write(2), () => {
    order.push("2");
    wal.append({ ...write(4), entries: [] }, done("4"));
  });
  wal.append(write(3), done("3"));
  await awaitAcknowledged(disk, 4, () => order.length);
  await close(wal, disk);
  judge(order.join(" ") === "1 2 3 4", {
    when: "2 and 3 are one batch; done() of 2 appends 4, which has no records to write",
    expected: "done() for 1 2 3 4",
    happened: `the order ${order.join(" ")}`,
    why: "4 says that everything before it is durable: the core counts 3 as durable with it",
  });
});

check("close returns once every queued append is durable", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  let acknowledged = 0;
  for (let id = 1; id <= 50; id++) wal.append(write(id), () => acknowledged++);
  await close(wal, disk);
  judge(acknowledged === 50, {
    when: "50 appends at once, then close()",
    expected: "close() returns after done() for all 50",
    happened: `it returned after done() for ${acknowledged}`,
    why: "a member closes its log when it stops: accepted proposals must not be dropped",
  });
  const { operations } = disk;
  wal.append(write(51), () => acknowledged++);
  for (let turn = 0; turn < IDLE_TURNS_MAX; turn++) await new Promise(setImmediate);
  judge(acknowledged === 50 && disk.operations === operations, {
    when: "an append after close()",
    expected: "it is neither written nor acknowledged",
    happened: `done() for ${acknowledged}, ${disk.operations - operations} operations of the disk`,
    why: "the file is closed: its descriptor may be another file's by now",
  });
});

check("after a failed sync no append is acknowledged", async () => {
  const disk = new CrashDisk();
  const failures: LogWriteError[] = [];
  const { wal } = openLog(disk, failures);
  await appendAll(wal, disk, 1);
  disk.image.failNextSync = new Error("EIO");
  let acknowledged = 0;
  wal.append(write(2), () => acknowledged++);
  await awaited(disk, "fsync fails", "onFatal is called", () => {
    return { done: failures.length > 0, happened: "it is not called" };
  });
  wal.append(write(3), () => acknowledged++);
  while (!disk.idle) await new Promise((resolve) => setImmediate(resolve));
  judge(acknowledged === 0, {
    when: "fsync fails for entry 2; entry 3 is appended after it",
    expected: "neither is acknowledged",
    happened: `${acknowledged} acknowledged`,
    why: "after a failed fsync the kernel may drop the pages and report success next time (S10)",
  });
});

check("a torn tail is truncated, and the log continues after it", async () => {
  const disk = new CrashDisk(30);
  const acknowledged = await appendAll(openLog(disk).wal, disk, 40);
  const again = disk.restarted(() => 0.5);
  const first = openLog(again);
  const last = first.recovered.entries.at(-1)?.index ?? 0;
  let done = false;
  first.wal.append(write(last + 1), () => (done = true));
  await awaitAcknowledged(again, 1, () => (done ? 1 : 0));
  await close(first.wal, again);
  const found = openLog(again).recovered.entries.map((item) => item.index);
  judge(found.at(-1) === last + 1 && last >= acknowledged.length, {
    when: `restart after a torn write, then append of entry ${last + 1}`,
    expected: `a log that ends with entry ${last + 1}`,
    happened: `it ends with entry ${found.at(-1)}`,
    why: "a member that crashed must be able to continue with its own log",
  });
});

check("damage to acknowledged entries is refused, not truncated", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  await appendAll(wal, disk, 1);
  let done = 0;
  for (let id = 2; id <= 5; id++) {
    wal.append(write(id), () => done++);
    await awaitAcknowledged(disk, id - 1, () => done);
  }
  await close(wal, disk);
  const name = disk.list().find((file) => file.endsWith(".wal"))!;
  const at = disk.read(name).indexOf("command 2");
  disk.image.folder.get(name).flip(at, 1 << 3);
  // The records alone must be enough: the mark beside them is not synced and may be lost.
  if (disk.list().includes(SYNCED_NAME)) disk.removeSync(SYNCED_NAME);
  let refused = "";
  try {
    openLog(disk);
  } catch (thrown) {
    refused = String(thrown);
  }
  judge(refused.includes("LogDamagedError"), {
    when: "a bit of entry 2 is flipped on disk; entries 3 to 5 were acknowledged after it",
    expected: "LogDamagedError: the member does not start",
    happened: refused || "the log was opened without the damaged entry and all later ones",
    why: "truncating here loses acknowledged writes that other members still have (S8)",
  });
});

check("acknowledged entries survive a power loss at every operation", async () => {
  const whole = new CrashDisk();
  const { wal } = openLog(whole);
  await appendAll(wal, whole, 12);
  await close(wal, whole);
  for (let dieAt = 1; dieAt <= whole.operations; dieAt++) {
    stillAtWork();
    for (const keep of [() => 0, () => 1, () => 0.5, (i: number) => (i % 2 === 0 ? 0.3 : 1)]) {
      const disk = new CrashDisk(dieAt);
      const acknowledged = await appendAll(openLog(disk).wal, disk, 12);
      const { recovered } = openLog(disk.restarted(keep));
      const found = recovered.entries.map((item) => item.index);
      judge(
        acknowledged.every((id) => found.includes(id)),
        {
          when: `power lost at disk operation ${dieAt}; acknowledged: ${acknowledged}`,
          expected: `entries ${acknowledged} in the recovered log`,
          happened: `the log has ${found}`,
          why: "acknowledged means durable (invariant S1; violated in etcd issue 14370)",
        },
      );
      judge(
        found.every((index, i) => index === i + 1),
        {
          when: `power lost at disk operation ${dieAt}`,
          expected: "a log without gaps from entry 1",
          happened: `the log has ${found}`,
          why: "the state machine applies entries in order and cannot skip any",
        },
      );
    }
  }
});
