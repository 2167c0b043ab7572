import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type KeyValue,
  PutRequest,
  type RangeRequest as Range,
  RangeRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { pick, type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import { initialMembership } from "../../core/membership.ts";
import { apply } from "../apply/apply.ts";
import type { Command } from "../apply/command.ts";
import { range } from "../kv/range.ts";
import { Compactor } from "../persist/compaction/compactor.ts";
import { Flusher } from "../persist/flush/flusher.ts";
import { restoreState } from "../persist/restore/restore.ts";
import type { State } from "./state.ts";

const KEYS = ["a", "b", "c", "d", "e"];
const failed = (reason: unknown) => {
  throw reason;
};

/** The simplest model of the store: every revision is a whole copy. */
class Model {
  revisions: Map<string, { value: string; create: number; mod: number; version: number }>[] = [
    new Map(),
    new Map(),
  ];
  compacted = -1;

  get revision(): number {
    return this.revisions.length - 1;
  }

  change(puts: [string, string][], removed: string[]): void {
    const now = new Map(this.revisions.at(-1));
    const mod = this.revisions.length;
    const gone = removed.filter((key) => now.delete(key));
    for (const [key, value] of puts) {
      const old = now.get(key);
      now.set(key, { value, create: old?.create ?? mod, mod, version: (old?.version ?? 0) + 1 });
    }
    if (puts.length + gone.length > 0) this.revisions.push(now);
  }

  list(at: number): string[] {
    const sorted = [...this.revisions[at]!].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(
      ([key, { value, create, mod, version }]) => `${key}=${value} ${create} ${mod} ${version}`,
    );
  }
}

const describeRecord = ({ key, value, createRevision, modRevision, version }: KeyValue) =>
  `${key}=${value} ${createRevision} ${modRevision} ${version}`;

function readAll(state: State, revision: number): string[] {
  const request: Range = {
    ...RangeRequest.create(),
    key: Buffer.from("a"),
    rangeEnd: Buffer.from([0]),
    revision,
  };
  const { records } = state;
  const read = (main: number, sub: number) => records.read(main, sub);
  return range(state, { revision: state.revision, read }, request).kvs.map(describeRecord);
}

function randomCommand(random: Random, model: Model): Command {
  const die = random.next();
  const key = pick(random, KEYS);
  const value = String(randomInteger(random, 0, 1000));
  if (die < 0.5) {
    model.change([[key, value]], []);
    return { kind: "put", request: putRequest(key, value) };
  }
  if (die < 0.7) {
    const from = pick(random, KEYS);
    const to = pick(random, KEYS);
    model.change(
      [],
      KEYS.filter((each) => each >= from && each < to),
    );
    const request = { key: Buffer.from(from), rangeEnd: Buffer.from(to), prevKv: false };
    return { kind: "delete-range", request };
  }
  const [first, second] = ["a", "d"];
  model.change(
    [
      [first, value],
      [second, value],
    ],
    [],
  );
  const success = [first, second].map((each) => ({ requestPut: putRequest(each, value) }));
  return { kind: "txn", request: { compare: [], success, failure: [] } };
}

function putRequest(key: string, value: string) {
  return { ...PutRequest.create(), key: Buffer.from(key), value: Buffer.from(value) };
}

async function open(backend = memoryBackend()) {
  const clock = new ManualClock();
  const identity = { clusterId: 1n, memberId: 1n };
  const bootstrap = initialMembership([1n]);
  const begin = { membership: bootstrap, members: [], base: { index: 0, term: 0 } };
  const state = await restoreState({ backend, identity, clock, bootstrap: begin });
  const flusher = new Flusher(state, clock, () => undefined, failed);
  const compactor = new Compactor(state, () => flusher.next(), failed, systemClock());
  return { backend, clock, state, flusher, compactor };
}

function check(state: State, model: Model, seed: number): void {
  expect(state.revision, `seed ${seed}`).toBe(model.revision);
  for (let at = 1; at <= model.revision; at++) {
    if (at >= model.compacted) {
      expect(readAll(state, at), `seed ${seed}, revision ${at}`).toEqual(model.list(at));
      continue;
    }
    try {
      readAll(state, at);
      expect.unreachable(`seed ${seed}: revision ${at} is compacted`);
    } catch (thrown) {
      if (!isEtcdError(thrown, "compacted")) throw thrown;
    }
  }
}

/** Lets time pass until `work` is done, which may wait for a flush after the one under way. */
async function timePasses(clock: ManualClock, work: Promise<void>): Promise<void> {
  let over = false;
  void work.then(() => (over = true));
  while (!over) {
    clock.advance(200);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("S3, S4, S6: each revision reads as the model's, compacted and restarted", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed);
    const model = new Model();
    let running = await open();
    let index = 0;
    for (let generation = 0; generation < 3; generation++) {
      const { state, flusher, compactor, backend } = running;
      for (let step = 0; step < 60; step++) {
        const command = randomCommand(random, model);
        apply(state, { index: ++index, term: 1 }, Buffer.from("x"), command);
        flusher.changed();
        if (random.next() < 0.05) running.clock.advance(200);
        await Promise.resolve();
      }
      check(state, model, seed);
      const revision = randomInteger(random, Math.max(model.compacted, 1) + 1, model.revision + 1);
      const request = { revision, physical: true };
      apply(state, { index: ++index, term: 1 }, Buffer.from("x"), { kind: "compact", request });
      model.compacted = revision;
      compactor.start();
      flusher.changed();
      await timePasses(running.clock, compactor.done());
      check(state, model, seed);
      await flusher.stop();
      running = await open(backend);
      check(running.state, model, seed);
      expect(running.state.appliedIndex).toBe(index);
    }
  }
});

test("S4: an entry is never applied twice, and none is left out", async () => {
  const { state } = await open();
  const command: Command = { kind: "put", request: putRequest("a", "1") };
  apply(state, { index: 1, term: 1 }, Buffer.from("x"), command);
  const again = () => apply(state, { index: 1, term: 1 }, Buffer.from("x"), command);
  expect(again).toThrow("entry 1 after 1");
  expect(() => apply(state, { index: 3, term: 1 }, Buffer.from("x"), command)).toThrow("entry 3");
});

test("S6: no record goes before the backend knows of the compaction that removes it", async () => {
  const { backend, clock, state, flusher, compactor } = await open();
  const model = new Model();
  for (let index = 1; index <= 4; index++) {
    const value = String(index);
    model.change([["a", value]], []);
    const command: Command = { kind: "put", request: putRequest("a", value) };
    apply(state, { index, term: 1 }, Buffer.from("x"), command);
  }
  flusher.changed();
  clock.advance(200);
  await Promise.resolve();
  const request = { revision: 4, physical: false };
  apply(state, { index: 5, term: 1 }, Buffer.from("x"), { kind: "compact", request });
  compactor.start();
  await new Promise<void>((resolve) => void setImmediate(resolve));
  // A crash here: what the backend holds must be what it says it holds.
  check((await open(backend)).state, model, 0);
  flusher.changed();
  clock.advance(200);
  await compactor.done();
  model.compacted = 4;
  const after = await open(backend);
  check(after.state, model, 0);
});
