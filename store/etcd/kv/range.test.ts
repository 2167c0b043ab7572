import { PutRequest, RangeRequest } from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import { initialMembership } from "../../core/membership.ts";
import { RANGE_CHUNK_KEYS } from "../../limits.ts";
import { MemberMetrics } from "../../metrics/member.ts";
import { apply } from "../../mvcc/apply/apply.ts";
import { type Command, encodeCommand } from "../../mvcc/apply/command.ts";
import { Compactor } from "../../mvcc/persist/compaction/compactor.ts";
import { restoreState } from "../../mvcc/persist/restore/restore.ts";
import type { EtcdContext } from "../request/context.ts";
import { ReadTurns } from "../request/read-turns.ts";
import { range } from "./range.ts";

const KEYS = 2 * RANGE_CHUNK_KEYS + 1;

/** A state with more keys than two turns look up. */
async function largeState() {
  const clock = new ManualClock();
  const membership = initialMembership([1n]);
  const bootstrap = { membership, members: [], base: { index: 1, term: 1 } };
  const identity = { clusterId: 7n, memberId: 1n };
  const backend = memoryBackend();
  const state = await restoreState({ backend, identity, clock, bootstrap });
  const run = (command: Command) => {
    const index = state.appliedIndex + 1;
    apply(state, { index, term: 1 }, encodeCommand(command, { session: 1, sequence: index }));
  };
  const put = (key: string) => {
    run({ kind: "put", request: { ...PutRequest.create(), key: Buffer.from(key) } });
  };
  for (let i = 0; i < KEYS; i++) put(String(i).padStart(6, "0"));
  const failed = (reason: unknown) => expect.fail(String(reason));
  const compactor = new Compactor(state, () => Promise.resolve(), failed, clock);
  const metrics = new MemberMetrics(undefined, clock);
  const readTurns = new ReadTurns(clock);
  const context = { state, compactor, metrics, clock, readTurns, replica: { stopped: false } };
  /** A compaction at the newest revision takes older points out of the index. */
  const compact = () => {
    run({ kind: "compact", request: { revision: state.revision, physical: false } });
    state.index.compact(state.revision, "", KEYS, () => undefined);
  };
  const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]), serializable: true };
  const read = (more: Partial<RangeRequest>) =>
    range(context as unknown as EtcdContext, { ...RangeRequest.create(), ...all, ...more });
  return { state, put, compact, read };
}

test("a long range shows one revision, though its keys change while they are looked up", async () => {
  const { state, put, read } = await largeState();
  const revision = state.revision;
  const answer = read({ countOnly: true });
  put("000000/inserted");
  put("999999");
  expect(await answer).toMatchObject({ count: KEYS, header: { revision } });
  const limited = await read({ limit: 3 });
  expect(limited).toMatchObject({ count: KEYS + 2, more: true });
  expect(limited.kvs.map(({ key }) => String(key))).toEqual([
    "000000",
    "000000/inserted",
    "000001",
  ]);
});

test("S6: a compaction during a long range: the newest is read again, an old one refused", async () => {
  const { state, put, compact, read } = await largeState();
  const revision = state.revision;
  const newest = read({ countOnly: true });
  const old = read({ countOnly: true, revision });
  const refused = expect(old).rejects.toThrow("required revision has been compacted");
  put("000000");
  put(String(KEYS - 1).padStart(6, "0"));
  compact();
  expect(await newest).toMatchObject({ count: KEYS, header: { revision: revision + 2 } });
  await refused;
});
