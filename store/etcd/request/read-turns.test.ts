import { RangeRequest, TxnRequest } from "@raft2kube/proto/gen/etcd.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { INPUT_TURN_MS } from "@raft2kube/std/limits.ts";
import { expect, test } from "vitest";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import { CountedTurns, mostInOneTurn } from "../../../testing/turns.ts";
import { initialMembership } from "../../core/membership.ts";
import { MemberMetrics } from "../../metrics/member.ts";
import { restoreState } from "../../mvcc/persist/restore/restore.ts";
import { range } from "../kv/range.ts";
import { txn } from "../kv/txn.ts";
import { leaseTimeToLive } from "../lease/lease-time-to-live.ts";
import type { EtcdContext } from "./context.ts";
import { ReadTurns } from "./read-turns.ts";

/** A leader of its own, whose reads take most of a turn each. */
async function leader(turns: CountedTurns) {
  const clock = new ManualClock();
  const bootstrap = {
    membership: initialMembership([1n]),
    members: [],
    base: { index: 1, term: 1 },
  };
  const identity = { clusterId: 7n, memberId: 1n };
  const state = await restoreState({ backend: memoryBackend(), identity, clock, bootstrap });
  const looks: number[] = [];
  const look = () => {
    looks.push(turns.now);
    clock.advance(INPUT_TURN_MS / 2);
    return undefined;
  };
  state.index.get = look;
  state.leases.get = look;
  const raft = { isLeader: true, state: { leader: 1n } };
  const readBarrier = (done: () => void) => done();
  const replica = { raft, readBarrier, request_ms: 1e9, stopped: false };
  const metrics = new MemberMetrics(undefined, clock);
  const own = { state, clock, metrics, replica, readTurns: new ReadTurns(clock), client: "" };
  return { looks, context: { ...own, transactionOperations_max: 128 } as unknown as EtcdContext };
}

const key = Buffer.from("k");
const requestRange = { ...RangeRequest.create(), key };
const READS: readonly [name: string, read: (context: EtcdContext) => Promise<unknown>][] = [
  ["ranges", (context) => range(context, requestRange)],
  [
    "transactions",
    (context) =>
      txn(context, TxnRequest.decode(TxnRequest.encode({ success: [{ requestRange }] }))),
  ],
  ["leases with their keys", (context) => leaseTimeToLive(context, { ID: 1n, keys: true })],
];

test.each(READS)("%s that come together take several turns of the loop", async (_, read) => {
  using turns = new CountedTurns();
  const { looks, context } = await leader(turns);
  await Promise.all(Array.from({ length: 20 }, () => read(context)));
  expect(looks).toHaveLength(20);
  expect(mostInOneTurn(looks)).toBeLessThanOrEqual(2);
});

test("those of another client do not wait for all before them", async () => {
  using turns = new CountedTurns();
  const { looks, context } = await leader(turns);
  const many = Array.from({ length: 20 }, () => range(context, requestRange, { peer: "a" }));
  await range(context, requestRange, { peer: "b" });
  expect(looks.length).toBeLessThan(10);
  await Promise.all(many);
});
