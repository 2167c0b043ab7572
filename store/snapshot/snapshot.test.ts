import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { SnapshotPart } from "@raft2kube/proto/gen/peer.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { memoryBackend } from "../../testing/store/memory-backend.ts";
import { initialMembership } from "../core/membership.ts";
import type { Message } from "../core/message.ts";
import { SNAPSHOT_SILENCE_MS } from "../limits.ts";
import { MemberMetrics } from "../metrics/member.ts";
import { decodeMeta, encodeMeta, META_KEY } from "../mvcc/persist/flush/meta.ts";
import { PEER_PROTOCOLS, type Self } from "../transport/hello.ts";
import { SnapshotFolder } from "./folder.ts";
import { SNAPSHOT_HEADER_BYTES } from "./format.ts";
import { checkSnapshot, loadSnapshot } from "./load.ts";
import { SnapshotReceiver } from "./receive.ts";
import { SnapshotSender } from "./send.ts";
import { EVERYTHING, type SnapshotFile, writeSnapshot } from "./write.ts";

let folder: string;
beforeEach(() => {
  folder = testFolder("r2k-snapshot-");
});

const membership = initialMembership([1n, 2n]);
const HEADER = { index: 300, term: 4, clusterId: 9n };

/** A backend of some size, as member 1 would have it. */
async function filled(pairs = 5_000) {
  const backend = memoryBackend();
  const writes = Array.from({ length: pairs }, (_, i) => {
    return { key: Buffer.from(`key/${i}`), value: Buffer.alloc(i % 700, i) };
  });
  const metrics = { appliedIndex: 300, appliedTerm: 4, revision: 20 };
  const identity = { clusterId: 9n, memberId: 1n };
  const compacted = { compactRevision: -1, compactedRevision: -1 };
  const meta = encodeMeta({ ...identity, ...metrics, ...compacted, membership });
  await backend.writeBatch([...writes, { key: META_KEY, value: meta }], { sync: true });
  return backend;
}

async function written(): Promise<SnapshotFile> {
  const backend = await filled();
  return writeSnapshot(join(folder, "made"), HEADER, backend.snapshot());
}

test("a snapshot fills another backend with the same, under the reader's own name", async () => {
  const source = await filled();
  const { path } = await writeSnapshot(join(folder, "made"), HEADER, source.snapshot());
  expect(readdirSync(folder)).toEqual(["made"]);
  const target = memoryBackend();
  await loadSnapshot(path, target, { clusterId: 9n, memberId: 2n });
  const everything = async (backend: typeof source) => {
    const pairs: string[] = [];
    for await (const chunk of backend.scan(EVERYTHING)) {
      for (const [key, value] of chunk) {
        if (!key.equals(META_KEY)) pairs.push(`${key}=${value.toString("hex")}`);
      }
    }
    return pairs;
  };
  expect(await everything(target)).toEqual(await everything(source));
  const meta = decodeMeta(target.getSync(META_KEY)!);
  expect(meta).toMatchObject({ memberId: 2n, appliedIndex: 300, membership });
});

test("S8: each changed byte, and each missing end, is noticed", async () => {
  const { path, bytes } = await written();
  expect((await checkSnapshot(path)).pairs).toBe(5_001);
  const whole = readFileSync(path);
  for (let at = 0; at < bytes; at += 49_999) {
    const damaged = Buffer.from(whole);
    damaged[at]! ^= 0x10;
    writeFileSync(path, damaged);
    const refusal = { name: "SnapshotError" };
    await expect(checkSnapshot(path), `byte ${at}`).rejects.toMatchObject(refusal);
    if (at === 0) await expect(checkSnapshot(path)).rejects.toThrow("damaged header");
    writeFileSync(path, whole.subarray(0, at));
    await expect(checkSnapshot(path), `cut at ${at}`).rejects.toThrow("made");
  }
  writeFileSync(path, Buffer.concat([whole, Buffer.from("x")]));
  await expect(checkSnapshot(path)).rejects.toThrow("goes on behind its last block");
});

test("a later format is refused, naming both", async () => {
  const { path } = await written();
  const bytes = readFileSync(path);
  bytes.writeUInt32LE(7, 8);
  const head = bytes.subarray(0, SNAPSHOT_HEADER_BYTES);
  bytes.writeUInt32LE(crc32c(head.subarray(16), crc32c(head.subarray(0, 12))), 12);
  writeFileSync(path, bytes);
  const refusal = { code: "SNAPSHOT_FORMAT", message: expect.stringMatching(/format 7.*up to 1/) };
  await expect(checkSnapshot(path)).rejects.toMatchObject(refusal);
});

const self: Self = {
  ...{ protocols: PEER_PROTOCOLS, clusterId: 9n, memberId: 2n },
  ...{ peerURLs: () => [], isRemoved: () => false },
};
const { oldest: protocol, newest: newestProtocol } = PEER_PROTOCOLS;
const hello = { protocol, newestProtocol, clusterId: 9n, from: 1n, to: 2n, peerUrls: [] };

function partsOf(file: SnapshotFile, from: number, to: number): SnapshotPart[] {
  const { index, term, bytes, crc } = file;
  const offer = { leaderTerm: 6, index, term, bytes, crc };
  const parts: SnapshotPart[] = [{ hello, offer, data: Buffer.alloc(0) }];
  const whole = readFileSync(file.path);
  for (let at = from; at < to; at += 100_000) {
    parts.push({ data: whole.subarray(at, Math.min(to, at + 100_000)) });
  }
  return parts;
}

async function* stream(parts: SnapshotPart[]) {
  yield* parts;
}

test("a broken stream goes on where the file ends; the core hears once it is whole", async () => {
  const file = await written();
  const received: Message[] = [];
  const snapshots = new SnapshotFolder(folder);
  const metrics = new MemberMetrics({}, systemClock());
  const onReceived = (message: Message) => received.push(message);
  const clock = systemClock();
  const receiver = new SnapshotReceiver({ self, folder: snapshots, clock, metrics, onReceived });
  const run = async (parts: SnapshotPart[]) => {
    const progress: { offset: number; done?: boolean }[] = [];
    for await (const each of receiver.receive(stream(parts))) progress.push(each);
    return progress;
  };
  await expect(run(partsOf(file, 0, 300_000))).rejects.toThrow("the stream ended at byte 300000");
  expect(received).toEqual([]);
  const progress = await run(partsOf(file, 300_000, file.bytes));
  expect(progress[0]).toEqual({ offset: 300_000 });
  expect(progress.at(-1)).toEqual({ offset: file.bytes, done: true });
  const mark = { index: 300, term: 4, membership };
  expect(received).toEqual([{ kind: "snapshot", from: 1n, to: 2n, term: 6, mark }]);
  const same = readFileSync(snapshots.received(mark)).equals(readFileSync(file.path));
  expect(same).toBe(true);
});

test("what has come of an older snapshot goes when another is offered", async () => {
  const file = await written();
  const snapshots = new SnapshotFolder(folder);
  const onReceived = () => undefined;
  const metrics = new MemberMetrics({}, systemClock());
  const clock = systemClock();
  const receiver = new SnapshotReceiver({ self, folder: snapshots, clock, metrics, onReceived });
  for (const index of [100, 200, 300]) {
    const parts = partsOf({ ...file, index }, 0, 200_000);
    const all = async () => {
      for await (const each of receiver.receive(stream(parts))) expect(each.offset).toBeDefined();
    };
    await expect(all()).rejects.toThrow("the stream ended at byte 200000");
  }
  const kept = readdirSync(join(folder, "member", "snap"));
  expect(kept).toEqual([basename(snapshots.incoming(file, file.crc))]);
});

test("what is not what was offered is thrown away", async () => {
  const file = await written();
  const snapshots = new SnapshotFolder(folder);
  const onReceived = () => undefined;
  const metrics = new MemberMetrics({}, systemClock());
  const clock = systemClock();
  const receiver = new SnapshotReceiver({ self, folder: snapshots, clock, metrics, onReceived });
  const parts = partsOf(file, 0, file.bytes);
  parts[3]!.data = Buffer.alloc(parts[3]!.data.length);
  const all = async () => {
    for await (const each of receiver.receive(stream(parts))) expect(each.offset).toBeDefined();
  };
  await expect(all()).rejects.toThrow("damaged block");
  expect(readdirSync(join(folder, "member", "snap"))).toEqual([]);
});

/** Drives a receiver; an error of it rejects. */
async function drain(progress: AsyncIterable<{ offset: number }>, seen: number[] = []) {
  for await (const { offset } of progress) seen.push(offset);
}

test("a stream that brings nothing ends, before its offer and after", async () => {
  const file = await written();
  const clock = new ManualClock();
  const snapshots = new SnapshotFolder(folder);
  const metrics = new MemberMetrics({}, clock);
  const onReceived = () => undefined;
  const receiver = new SnapshotReceiver({ self, folder: snapshots, clock, metrics, onReceived });
  let silent = 0;
  async function* silentAfter(parts: SnapshotPart[]) {
    yield* parts;
    silent++; // and its receiver waits since then
    await new Promise(() => undefined);
  }
  const seen: number[] = [];
  const begun = drain(receiver.receive(silentAfter(partsOf(file, 0, 100_000))), seen);
  const ended = expect(begun).rejects.toThrow(/nothing came on the stream in \d+ ms/);
  const mute = drain(receiver.receive(silentAfter([])));
  const muteEnded = expect(mute).rejects.toThrow("nothing came");
  const inFile = () => readFileSync(snapshots.incoming(file, file.crc)).length;
  await expect.poll(() => silent).toBe(2);
  expect([seen.length > 0, inFile()]).toEqual([true, 100_000]);
  clock.advance(SNAPSHOT_SILENCE_MS);
  await Promise.all([ended, muteEnded]);
});

test("no more is taken than the disk has space for", async () => {
  const file = await written();
  const clock = systemClock();
  const snapshots = new SnapshotFolder(folder);
  const metrics = new MemberMetrics({}, clock);
  const onReceived = () => undefined;
  const receiver = new SnapshotReceiver({ self, folder: snapshots, clock, metrics, onReceived });
  const offered = drain(receiver.receive(stream(partsOf({ ...file, bytes: 2 ** 52 }, 0, 100))));
  await expect(offered).rejects.toMatchObject({
    status: Status.RESOURCE_EXHAUSTED,
    message: expect.stringMatching(/space for \d+ of 4503599627370496 bytes/),
  });
});

test("one file is created for all followers that need it at the same time", async () => {
  let made = 0;
  const delivered: [bigint, boolean][] = [];
  const sender = new SnapshotSender({
    self,
    tls: undefined,
    clock: new ManualClock(),
    metrics: new MemberMetrics({}, systemClock()).peers,
    make: () => {
      made++;
      return written();
    },
    isFresh: () => true,
    onEnd: (member, ok) => delivered.push([member, ok]),
  });
  const mark = { ...HEADER, membership };
  for (const to of [3n, 4n]) {
    const message = { kind: "snapshot", from: 2n, to, term: 6, mark } as const;
    sender.send(message, { id: to, urls: ["http://127.0.0.1:1"] });
  }
  await sender.close();
  // The order of their ends is not defined.
  expect(new Map(delivered)).toEqual(
    new Map([
      [3n, false],
      [4n, false],
    ]),
  );
  expect(made).toBe(1);
});
