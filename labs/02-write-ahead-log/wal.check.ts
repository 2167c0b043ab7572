import { systemClock } from "@raft2kube/std/clock.ts";
import type { LogWriteError } from "@raft2kube/store/wal/errors.ts";
import { RECORD, decodeRecord, encodeRecord, recordSize } from "@raft2kube/store/wal/record.ts";
import { SYNCED_NAME } from "@raft2kube/store/wal/synced-mark.ts";
import { Wal } from "@raft2kube/store/wal/wal.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { CrashDisk } from "./crash-disk.ts";

const identity = { clusterId: 1n, memberId: 2n };
const clock = systemClock();
/** Turns of the loop in which the disk has nothing to do: nothing will happen any more. */
const IDLE_TURNS_MAX = 500;
const AWAIT_MS_MAX = 5_000;

/** Waits for a condition; judges as soon as the disk is idle for good, or takes too long. */
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
      happened: `${happened}; ${disk.idle ? "the disk is idle" : "the disk is still at work"}`,
      why: "the member waits for this as well: no client gets an answer, and no stop ends",
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Waits until `count` of the writes are acknowledged. */
function awaitAcknowledged(disk: CrashDisk, count: number, acknowledged: () => number) {
  const expected = `done() of ${count === 1 ? "the write" : `all ${count}`}, once they are durable`;
  return awaited(disk, `${count} appended`, expected, () => {
    const have = acknowledged();
    return { done: have >= count, happened: `done() of ${have} of ${count}` };
  });
}

/** Closes the log; judges if that does not end. */
async function close(wal: Wal, disk: CrashDisk): Promise<void> {
  let closed = false;
  void wal.close().then(() => (closed = true));
  const expected = "it returns once all that was queued is durable";
  await awaited(disk, "close() of the log", expected, () => {
    return { done: closed, happened: "it does not return (`#pump` calls `#idle` when it is done)" };
  });
}

function entry(index: number) {
  return { index, term: 1, data: Buffer.from(`command ${index}`), change: undefined };
}

function write(id: number) {
  return { id, entries: [entry(id)], hardState: undefined, snapshot: undefined };
}

function openLog(disk: CrashDisk, failures: LogWriteError[] = []) {
  const onFatal = (reason: LogWriteError) => failures.push(reason);
  return Wal.open({ disk, identity, clock, onFatal });
}

/** Appends 1..count; resolves with the acknowledged indexes once all are, or the disk is dead. */
async function appendAll(wal: Wal, disk: CrashDisk, count: number): Promise<number[]> {
  const acknowledged: number[] = [];
  for (let id = 1; id <= count; id++) wal.append(write(id), () => acknowledged.push(id));
  await awaitAcknowledged(disk, count, () => (disk.dead ? count : acknowledged.length));
  return acknowledged;
}

const payload = Buffer.from("set x 1");
const encoded = () => {
  const target = Buffer.alloc(256, 0xaa);
  encodeRecord(target, 64, { kind: RECORD.ENTRY, payload }, { position: 4096, durable: 4000 });
  return target;
};

check("a record reads back as it was written", () => {
  const found = decodeRecord(encoded(), 64, 4096);
  const happened = found ? `found ${JSON.stringify(found)}` : "nothing was found";
  judge(found?.payload.equals(payload) === true && found.durable === 4000, {
    when: "decodeRecord after encodeRecord at offset 64, position 4096, durable 4000",
    expected: `the payload "${payload}" with durable 4000`,
    happened,
    why: "recovery rebuilds the member's whole state from these records (DESIGN, the log)",
  });
  judge(found?.size === recordSize(payload.length), {
    when: "the size of a found record",
    expected: `${recordSize(payload.length)} bytes: header and payload, rounded up to 8`,
    happened: `${found?.size} bytes`,
    why: "the next record is looked for right behind this one",
  });
});

check("a record counts only at the position it was written for", () => {
  const found = decodeRecord(encoded(), 64, 8192);
  judge(found === undefined, {
    when: "decodeRecord of a whole record, but for another position of the log",
    expected: "undefined",
    happened: "the record was taken",
    why: "a recycled segment holds whole records of the past; taken, they undo later writes",
  });
});

check("one flipped bit anywhere makes a record not count", () => {
  const size = recordSize(payload.length) - 1;
  for (let bit = 0; bit < size * 8; bit++) {
    const damaged = encoded();
    const byte = 64 + (bit >> 3);
    damaged[byte] = damaged[byte]! ^ (1 << (bit & 7));
    judge(decodeRecord(damaged, 64, 4096) === undefined, {
      when: `decodeRecord with bit ${bit & 7} of byte ${bit >> 3} flipped`,
      expected: "undefined: the CRC-32C covers everything behind itself",
      happened: "the damaged record was taken",
      why: "a bit flip on disk would be served as if it had been written (promise S8)",
    });
  }
});

check("nothing is acknowledged before a sync covered it", async () => {
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
    when: "append of entry 1, and a power loss the moment done() is called",
    expected: "the write was synced first: entry 1 is there after the restart",
    happened: "done() came first, and entry 1 is lost",
    why: "the leader counts this member for the majority: it must not forget (promise S1)",
  });
  judge(survivors.length === 1, {
    when: "append of entry 1",
    expected: "done() once",
    happened: `done() ${survivors.length} times`,
    why: "an entry counted twice is a majority that does not exist",
  });
});

check("acknowledgements come in the order of the appends", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  const order = await appendAll(wal, disk, 50);
  await close(wal, disk);
  judge(
    order.every((id, i) => id === i + 1),
    {
      when: "50 appends at once",
      expected: "done() of 1, 2, 3, ... 50",
      happened: `the order ${order.join(" ")}`,
      why: "Raft counts on a log without gaps: entry 7 is durable only if 1 to 6 are",
    },
  );
});

check("close returns once everything that is queued is durable", async () => {
  const disk = new CrashDisk();
  const { wal } = openLog(disk);
  let acknowledged = 0;
  for (let id = 1; id <= 50; id++) wal.append(write(id), () => acknowledged++);
  await close(wal, disk);
  judge(acknowledged === 50, {
    when: "50 appends at once, and close() right after them",
    expected: "close() returns after done() of all 50",
    happened: `it returned after done() of ${acknowledged}`,
    why: "a member that stops closes its log: a proposal it has taken must not be dropped",
  });
});

check("what waits while the disk is busy goes out under one sync", async () => {
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
    when: "100 appends at once, the log already open",
    expected: "at most 3 syncs: the first write, then all that waited for it",
    happened: `${syncs} syncs`,
    why: "a sync costs as much as a thousand appends; group commit is what makes a log fast",
  });
});

check("after a failed sync nothing is acknowledged any more", async () => {
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
    when: "fsync fails for entry 2, then entry 3 is appended",
    expected: "neither is acknowledged",
    happened: `${acknowledged} acknowledged`,
    why: "after a failed fsync the kernel may drop the pages and say success next time (S10)",
  });
});

check("what was acknowledged survives a power loss at every operation", async () => {
  const whole = new CrashDisk();
  const { wal } = openLog(whole);
  await appendAll(wal, whole, 12);
  await close(wal, whole);
  for (let dieAt = 1; dieAt <= whole.operations; dieAt++) {
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
          why: "acknowledged means durable (promise S1; breached in etcd issue 14370)",
        },
      );
      judge(
        found.every((index, i) => index === i + 1),
        {
          when: `power lost at disk operation ${dieAt}`,
          expected: "a log without gaps from entry 1",
          happened: `the log has ${found}`,
          why: "the state machine applies entries in order and cannot skip one",
        },
      );
    }
  }
});

check("a torn tail is cut and the log goes on behind it", async () => {
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
    expected: `a log that ends with ${last + 1}`,
    happened: `it ends with ${found.at(-1)}`,
    why: "a member that crashed must be able to go on with its own log",
  });
});

check("damage to what was acknowledged is refused, not cut away", async () => {
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
  // The records must tell by themselves: the mark beside them is not synced, and may be lost.
  if (disk.list().includes(SYNCED_NAME)) disk.removeSync(SYNCED_NAME);
  let refused = "";
  try {
    openLog(disk);
  } catch (thrown) {
    refused = String(thrown);
  }
  judge(refused.includes("LogDamagedError"), {
    when: "a bit of entry 2 flipped on disk, entries 3 to 5 behind it acknowledged",
    expected: "LogDamagedError: the member does not start",
    happened: refused || "the log was opened without the damaged entry and all behind it",
    why: "cutting here would forget acknowledged writes; other members still have them (S8)",
  });
});
