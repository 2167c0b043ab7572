import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { configureLog } from "@raft2kube/observe/log.ts";
import { DeleteRangeRequest, PutRequest } from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { suiteFolder } from "../../../../testing/folders.ts";
import { memoryBackend } from "../../../../testing/store/memory-backend.ts";
import { initialMembership } from "../../../core/membership.ts";
import { apply } from "../../apply/apply.ts";
import type { Command } from "../../apply/command.ts";
import type { State } from "../../state/state.ts";
import { Compactor } from "../compaction/compactor.ts";
import { Flusher } from "../flush/flusher.ts";
import { writeIndex } from "./index-file.ts";
import { restoreState } from "./restore.ts";

const folder = suiteFolder("r2k-index-");
const path = join(folder, "index");

const failed = (reason: unknown) => {
  throw reason;
};

async function open(backend = memoryBackend(), indexPath?: string): Promise<State> {
  const membership = initialMembership([1n]);
  const bootstrap = { membership, members: [], base: { index: 0, term: 0 } };
  const identity = { clusterId: 1n, memberId: 1n };
  const from = indexPath === undefined ? {} : { indexPath };
  return restoreState({ backend, identity, clock: new ManualClock(), bootstrap, ...from });
}

const keyOf = (random: Random) =>
  Buffer.from(`k\u00ff${randomInteger(random, 0, 1_500)}`, "latin1");

function randomCommand(random: Random): Command {
  const key = keyOf(random);
  if (random.next() < 0.8) {
    const lease = random.next() < 0.2 ? 7n : 0n;
    const put = { ...PutRequest.create(), key, value: Buffer.from("v"), lease };
    return { kind: "put", request: put };
  }
  return { kind: "delete-range", request: { ...DeleteRangeRequest.create(), key } };
}

/** A stopped store with keys of one revision, of several lives, deleted, compacted, leased. */
async function stopped(seed: number, steps: number): Promise<State> {
  const random = seededRandom(seed);
  const state = await open();
  const flusher = new Flusher(state, new ManualClock(), () => undefined, failed);
  const compactor = new Compactor(state, () => flusher.next(), failed, systemClock());
  let index = 0;
  const run = (command: Command) =>
    apply(state, { index: ++index, term: 1 }, Buffer.from("x"), command);
  run({ kind: "lease-grant", request: { ID: 7n, TTL: 100 } });
  for (let i = 0; i < steps; i++) run(randomCommand(random));
  const revision = Math.floor(state.revision / 2);
  run({ kind: "compact", request: { revision, physical: false } });
  await flusher.settled();
  compactor.start();
  await compactor.done();
  for (let i = 0; i < steps / 4; i++) run(randomCommand(random));
  await flusher.stop();
  return state;
}

const LOOKS = 20;

/**
 * Describes the answers of the index and the leases: their representation may differ, the answers
 * must not.
 */
function described(state: State): unknown[] {
  const { index, leases, revision, compactRevision: first } = state;
  const step = Math.ceil((revision - first) / LOOKS);
  const keys: unknown[] = [];
  const leaseOf = new Map(leases.attached());
  index.each((key) => {
    const points: unknown[] = [];
    for (let at = first; at <= revision; at += step) points.push(index.get(key, at));
    keys.push([key, index.get(key, revision), points, leaseOf.get(key)]);
  });
  return [index.size, index.live, keys, [...leases.get(7n)!.keys].sort()];
}

test("the index from the file is the one from the records, and the file is gone", async () => {
  for (let seed = 1; seed <= 5; seed++) {
    const state = await stopped(seed, 3_000);
    writeIndex(path, state);
    const restored = await open(state.backend, path);
    expect(restored.recordsUnread, `seed ${seed}`).toBe(true);
    expect(existsSync(path)).toBe(false);
    const scanned = await open(state.backend, path);
    expect(scanned.recordsUnread).toBe(false);
    expect(described(restored), `seed ${seed}`).toEqual(described(scanned));
  }
});

test("a file that is damaged, cut short, or of another moment is passed over", async () => {
  configureLog({ level: "silent" });
  const state = await stopped(1, 400);
  const due = described(await open(state.backend));
  writeIndex(path, state);
  const whole = readFileSync(path);
  const random = seededRandom(1);
  for (let i = 0; i < 30; i++) {
    const bytes = Buffer.from(whole);
    const at = randomInteger(random, 0, bytes.length);
    if (i % 2 === 0) bytes[at]! ^= 1 << randomInteger(random, 0, 8);
    writeFileSync(path, i % 2 === 0 ? bytes : bytes.subarray(0, at));
    const restored = await open(state.backend, path);
    expect(restored.recordsUnread, `change ${i} at byte ${at}`).toBe(false);
    expect(described(restored)).toEqual(due);
  }
  writeFileSync(path, whole);
  const other = await stopped(2, 400);
  expect((await open(other.backend, path)).recordsUnread).toBe(false);
  configureLog({});
});

test("a stop goes on where the file cannot be written", async () => {
  configureLog({ level: "silent" });
  const state = await stopped(3, 100);
  const nowhere = join(folder, "nowhere", "index");
  expect(() => writeIndex(nowhere, state)).not.toThrow();
  expect((await open(state.backend, nowhere)).recordsUnread).toBe(false);
  configureLog({});
});
