import {
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  type RequestOp,
  type TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { type Random, pick, randomInteger } from "@raft2kube/std/random.ts";
import type { KvInput } from "../../../testing/history/kv-model.ts";

/** Ten hot keys. */
export const KEYS = Array.from({ length: 10 }, (_, i) => `k${i}`);
const TXN_OPERATIONS_MAX = 4;

/** Inputs of the request generators. */
export interface Knowledge {
  random: Random;
  /** A value never used before. */
  value: () => Buffer;
  /** The newest revision that this client has seen. */
  revision: () => number;
  /** Leases that may be alive. */
  leases: () => readonly bigint[];
}

/** One request, by chance. */
export function randomRequest(known: Knowledge): KvInput {
  const { random } = known;
  const die = random.next();
  if (die < 0.3) return { kind: "put", request: putRequest(known) };
  if (die < 0.36) return { kind: "delete-range", request: deleteRequest(random) };
  if (die < 0.62) return { kind: "txn", request: txnRequest(known) };
  if (die < 0.78) return { kind: "range", request: rangeRequest(known, 0) };
  if (die < 0.84) {
    return { kind: "range", request: { ...rangeRequest(known, 0), serializable: true } };
  }
  return { kind: "range", request: rangeRequest(known, oldRevision(known)) };
}

const key = (name: string) => Buffer.from(name);

function putRequest(known: Knowledge, name = pick(known.random, KEYS)): PutRequest {
  const { random } = known;
  const leases = known.leases();
  const lease = leases.length > 0 && random.next() < 0.2 ? pick(random, leases) : 0n;
  const prevKv = random.next() < 0.2;
  return { ...PutRequest.create(), key: key(name), value: known.value(), lease, prevKv };
}

function deleteRequest(random: Random): DeleteRangeRequest {
  const from = pick(random, KEYS);
  const wide = random.next() < 0.2;
  const rangeEnd = wide ? key(`${from}~`) : Buffer.alloc(0);
  return { ...DeleteRangeRequest.create(), key: key(from), rangeEnd };
}

function rangeRequest({ random }: Knowledge, revision: number): RangeRequest {
  const whole = random.next() < 0.5;
  const name = whole ? "k" : pick(random, KEYS);
  const rangeEnd = whole ? key("l") : Buffer.alloc(0);
  return { ...RangeRequest.create(), key: key(name), rangeEnd, revision };
}

/** From long ago to a little ahead: gone, there, or yet to come. */
function oldRevision({ random, revision }: Knowledge): number {
  return Math.max(1, revision() + randomInteger(random, -60, 4));
}

function txnRequest(known: Knowledge): TxnRequest {
  const { random } = known;
  const name = pick(random, KEYS);
  const names = [...KEYS].sort(() => random.next() - 0.5);
  const count = randomInteger(random, 1, TXN_OPERATIONS_MAX + 1);
  const operations = names.slice(0, count).map((each) => operation(known, each));
  const revision = Math.max(0, known.revision() - randomInteger(random, 0, 20));
  const compare = pick(random, [
    { target: Target.VERSION, result: Result.EQUAL, version: 0 },
    { target: Target.VERSION, result: Result.GREATER, version: 0 },
    { target: Target.MOD, result: Result.LESS, modRevision: revision },
    { target: Target.CREATE, result: Result.GREATER, createRevision: revision },
  ]);
  return {
    compare: [{ ...compare, key: key(name), rangeEnd: Buffer.alloc(0) }],
    success: operations,
    failure: [operation(known, pick(random, KEYS))],
  };
}

function operation(known: Knowledge, name: string): RequestOp {
  const die = known.random.next();
  if (die < 0.5) return { requestPut: putRequest(known, name) };
  if (die < 0.8) {
    const revision = known.random.next() < 0.2 ? oldRevision(known) : 0;
    return { requestRange: { ...RangeRequest.create(), key: key(name), revision } };
  }
  return { requestDeleteRange: { ...DeleteRangeRequest.create(), key: key(name) } };
}

/** The way Kubernetes updates an object: only if it is still the one that was read. */
export function updateIfUnchanged(name: string, modRevision: number, value: Buffer): KvInput {
  const put = { ...PutRequest.create(), key: key(name), value };
  const read = { ...RangeRequest.create(), key: key(name) };
  const compare = {
    target: Target.MOD,
    result: Result.EQUAL,
    key: key(name),
    rangeEnd: Buffer.alloc(0),
    modRevision,
  };
  const request = {
    compare: [compare],
    success: [{ requestPut: put }],
    failure: [{ requestRange: read }],
  };
  return { kind: "txn", request };
}

export function readOne(name: string): KvInput {
  return { kind: "range", request: { ...RangeRequest.create(), key: key(name) } };
}
