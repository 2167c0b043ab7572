import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import { expect, test } from "vitest";
import { ENTRY_BYTES_MAX, PENDING_PROPOSALS_BYTES_MAX, PENDING_PROPOSALS_MAX } from "../limits.ts";
import type { Command } from "../mvcc/apply/command.ts";
import type { Outcome } from "../mvcc/apply/responses.ts";
import { encodeEntry } from "../wal/payload.ts";
import { encodeRecord, RECORD, recordSize } from "../wal/record.ts";
import { Proposals } from "./proposals.ts";

const put = (bytes: number): Command => ({
  kind: "put",
  request: {
    key: Buffer.from("key"),
    value: Buffer.alloc(bytes),
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
  },
});

function collect(requestBytes_max?: number) {
  const proposals = new Proposals(1, requestBytes_max);
  const errors: (string | undefined)[] = [];
  const done = ({ error }: Outcome) => errors.push(error?.message);
  const add = (bytes: number) => proposals.add(put(bytes), { asked_ms: 0, deadline_ms: 9, done });
  return { proposals, errors, add };
}

const FOLLOWER = { term: 1, isLeader: false };

test("what waits is bounded in number, and the bound gives way as answers come", () => {
  const { proposals, errors, add } = collect();
  for (let i = 0; i < PENDING_PROPOSALS_MAX; i++) add(0);
  expect(errors).toEqual([]);
  add(0);
  expect(errors).toEqual([etcdError("tooManyRequests").message]);
  const { sequences } = proposals.takeWaiting(1, FOLLOWER);
  proposals.applied({ session: 1, sequence: sequences[0]! }, { response: {} as never });
  add(0);
  expect(errors).toEqual([etcdError("tooManyRequests").message, undefined]);
});

test("what waits is bounded in bytes", () => {
  const { proposals, errors, add } = collect();
  const bytes = 1024 * 1024;
  const fitting = Math.floor(PENDING_PROPOSALS_BYTES_MAX / (bytes + 100));
  for (let i = 0; i < fitting; i++) add(bytes);
  expect(errors).toEqual([]);
  for (let i = 0; i < 3; i++) add(bytes);
  expect(errors).toContain(etcdError("tooManyRequests").message);
  proposals.failAll({ error: etcdError("stopped") });
  const before = errors.length;
  add(bytes);
  expect(errors.length).toBe(before);
});

test("a batch goes up to its bytes, and one at least", () => {
  const { proposals, add } = collect();
  for (const bytes of [500, 500, 500, 5_000]) add(bytes);
  const counts: number[] = [];
  while (proposals.hasWaiting) counts.push(proposals.takeWaiting(1_200, FOLLOWER).data.length);
  expect(counts).toEqual([2, 1, 1]);
});

test("commands, which the log keeps, are not in the pool of short-lived buffers", () => {
  const { proposals, add } = collect();
  for (const bytes of [0, 300, 5_000]) add(bytes);
  for (const data of proposals.takeWaiting(10_000, FOLLOWER).data) {
    expect(data.buffer.byteLength).toBeLessThan(Buffer.poolSize);
  }
});

test("S10: what no record of the log could hold is refused, whatever clients are allowed", () => {
  const { proposals, errors, add } = collect(4 * ENTRY_BYTES_MAX);
  add(ENTRY_BYTES_MAX);
  expect(errors).toEqual([etcdError("requestTooLarge").message]);
  add(ENTRY_BYTES_MAX - 200);
  expect(errors).toHaveLength(1);
  const { data } = proposals.takeWaiting(1, FOLLOWER);
  const payload = encodeEntry({ index: 9, term: 9, data: data[0]!, change: undefined });
  const target = Buffer.alloc(recordSize(payload.length));
  encodeRecord(target, 0, { kind: RECORD.ENTRY, payload }, { position: 0, durable: 0 });
});
