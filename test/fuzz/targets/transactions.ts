import type { Init } from "@raft2kube/proto/codec.ts";
import type { Compare, RangeRequest, RequestOp, TxnRequest } from "@raft2kube/proto/gen/etcd.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";

/** The one lease that there is. */
export const LEASE = 7n;
const DEPTH_MAX = 3;
const KEYS = ["a", "b", "ba", "c", "d", "e", "x"];
const LEASES = [0n, 0n, 0n, LEASE, 9n];

const key = (name: string) => Buffer.from(name, "latin1");
const put = (name: string, value: string, lease = 0n) => {
  return { requestPut: { key: key(name), value: key(value), lease } };
};

/** The store's keys before each input: created, updated, and created again; one with a lease. */
export const BEFORE: readonly Init<TxnRequest>[] = [
  { success: [put("a", "1"), put("b", "2", LEASE)] },
  { success: [put("ba", "3"), put("a", "4")] },
  { success: [{ requestDeleteRange: { key: key("ba") } }, put("c", "")] },
  { success: [put("ba", "5"), put("d", "\xff")] },
];

/** A transaction of all that etcd knows, with edges and a little beyond. */
export function randomTxn(random: Random, depth = 0): Init<TxnRequest> {
  const several = <T>(make: () => T, most: number): T[] => {
    return Array.from({ length: randomInteger(random, 0, most + 1) }, make);
  };
  return {
    compare: several(() => randomCompare(random), 2),
    success: several(() => randomOperation(random, depth), 4),
    failure: several(() => randomOperation(random, depth), 3),
  };
}

function randomOperation(random: Random, depth: number): Init<RequestOp> {
  const die = random.next();
  if (die < 0.35) return { requestRange: randomRange(random) };
  const sometimes = (probability: number) => random.next() < probability;
  if (die < 0.7) {
    const [ignoreValue, ignoreLease] = [sometimes(0.1), sometimes(0.1)];
    const value = ignoreValue ? key("") : key(String(randomInteger(random, 0, 9)));
    const lease = ignoreLease ? 0n : pick(random, LEASES);
    const prevKv = sometimes(0.5);
    const kept = { ignoreValue, ignoreLease };
    return { requestPut: { key: randomKey(random), value, lease, ...kept, prevKv } };
  }
  if (die < 0.85 || depth === DEPTH_MAX) {
    return { requestDeleteRange: { ...keys(random), prevKv: sometimes(0.5) } };
  }
  return { requestTxn: randomTxn(random, depth + 1) };
}

function randomRange(random: Random): Init<RangeRequest> {
  const seldom = (most: number) => (random.next() < 0.2 ? randomInteger(random, -1, most) : 0);
  return {
    ...keys(random),
    revision: seldom(8),
    limit: seldom(4),
    sortOrder: randomInteger(random, 0, 3),
    sortTarget: randomInteger(random, 0, 5),
    countOnly: random.next() < 0.1,
    keysOnly: random.next() < 0.1,
    minModRevision: seldom(7),
    maxModRevision: seldom(7),
    minCreateRevision: seldom(7),
    maxCreateRevision: seldom(7),
  };
}

function randomCompare(random: Random): Init<Compare> {
  const number = randomInteger(random, 0, 6);
  const targets: Init<Compare>[] = [
    { target: 0, version: number },
    { target: 1, createRevision: number },
    { target: 2, modRevision: number },
    { target: 3, value: key(String(number)) },
    { target: 4, lease: pick(random, LEASES) },
    { target: 1, version: number },
    { target: 7 },
  ];
  const result = randomInteger(random, 0, 5);
  return { ...pick(random, targets), result, ...keys(random) };
}

const randomKey = (random: Random): Buffer => key(random.next() < 0.01 ? "" : pick(random, KEYS));

/** One key, some, or all from one on. */
function keys(random: Random): { key: Buffer; rangeEnd: Buffer } {
  const ends = [() => "", () => "", () => "\0", () => pick(random, KEYS)];
  return { key: randomKey(random), rangeEnd: key(pick(random, ends)()) };
}
