import {
  type Compare,
  DeleteRangeRequest,
  type KeyValue,
  PutRequest,
  RangeRequest,
  type RequestOp,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
  type TxnRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { KvInput } from "../../../testing/history/kv-model.ts";

/** Ten hot keys. */
export const KEYS = Array.from({ length: 10 }, (_, i) => `k${i}`);
const TXN_OPERATIONS_MAX = 4;

/** A key that is never written, and a range that has several keys or none. */
const MISSING = "k_missing";
const COMPARED_RANGE = ["k3", "k7"] as const;
const COMPARES_MAX = 2;

/** Inputs of the request generators. */
export interface Knowledge {
  random: Random;
  /** A value never used before. */
  value: () => Buffer;
  /** The newest revision that this client has seen. */
  revision: () => number;
  /** Leases that may be alive. */
  leases: () => readonly bigint[];
  /** A key as this client last read it. */
  read: () => KeyValue | undefined;
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

/** A revision from long ago to a little ahead: gone, there, or yet to come. */
function oldRevision({ random, revision }: Knowledge): number {
  return Math.max(1, revision() + randomInteger(random, -60, 4));
}

function txnRequest(known: Knowledge): TxnRequest {
  const { random } = known;
  const names = [...KEYS].sort(() => random.next() - 0.5);
  const count = randomInteger(random, 1, TXN_OPERATIONS_MAX + 1);
  const operations = names.slice(0, count).map((each) => operation(known, each));
  const compares = randomInteger(random, 1, COMPARES_MAX + 1);
  return {
    compare: Array.from({ length: compares }, () => comparison(known)),
    success: operations,
    failure: [operation(known, pick(random, KEYS))],
  };
}

/** Any target and relation, with what was read before, what no key has, or something between. */
function comparison({ random, read, revision, leases, value }: Knowledge): Compare {
  const die = random.next();
  const last = die < 0.5 ? read() : undefined;
  const near = (number: number) => Math.max(0, number + randomInteger(random, -1, 2));
  const recent = die < 0.8 ? revision() - randomInteger(random, 0, 20) : 0;
  const [from, to] = die > 0.9 ? COMPARED_RANGE : [last?.key.toString("latin1"), ""];
  const name = random.next() < 0.15 ? MISSING : (from ?? pick(random, KEYS));
  return {
    key: key(name),
    rangeEnd: name === MISSING ? Buffer.alloc(0) : key(to),
    result: pick(random, Object.values(Result)),
    ...pick(random, [
      { target: Target.VERSION, version: near(last?.version ?? 0) },
      { target: Target.CREATE, createRevision: near(last?.createRevision ?? recent) },
      { target: Target.MOD, modRevision: near(last?.modRevision ?? recent) },
      { target: Target.VALUE, value: last?.value ?? (die < 0.8 ? value() : Buffer.alloc(0)) },
      { target: Target.LEASE, lease: last?.lease ?? (die < 0.7 ? (leases()[0] ?? 0n) : 0n) },
    ]),
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

/** Deletes every key. */
export function deleteAll(): KvInput {
  const all = { key: key("k"), rangeEnd: key("l") };
  return { kind: "delete-range", request: { ...DeleteRangeRequest.create(), ...all } };
}

export function readOne(name: string): KvInput {
  return { kind: "range", request: { ...RangeRequest.create(), key: key(name) } };
}
