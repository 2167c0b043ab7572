import {
  type Compare,
  type RequestOp,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { KvInput } from "../../testing/history/kv-model.ts";
import { compact, put, putOf, read, remove, removeOf, txn } from "./state.ts";

const KEYS = ["a", "b", "c", "d", "e"];

/** Returns a random request; `revision` is approximately the newest. */
export function randomInput(random: Random, revision: number): KvInput {
  const die = random.next();
  const key = pick(random, KEYS);
  const end = random.next() < 0.5 ? "" : pick(random, KEYS);
  if (die < 0.35) return put(key, randomValue(random));
  if (die < 0.5) return remove(key, end);
  if (die < 0.65) return read(key, 0, end);
  if (die < 0.8) return read(key, randomInteger(random, 1, revision + 2), end);
  if (die < 0.84) return compact(randomInteger(random, 1, revision + 2));
  return txn({
    compare: [randomCompare(random)],
    // A server rejects a transaction that writes a key twice.
    success: [randomOperation(random, KEYS.slice(0, 2)), randomOperation(random, KEYS.slice(2))],
    failure: [randomOperation(random, KEYS)],
  });
}

const randomValue = (random: Random): string => String(randomInteger(random, 0, 100));

function randomCompare(random: Random): Compare {
  const compared = { key: Buffer.from(pick(random, KEYS)), rangeEnd: Buffer.alloc(0) };
  const result = pick(random, [Result.EQUAL, Result.NOT_EQUAL, Result.LESS, Result.GREATER]);
  const number = randomInteger(random, 0, 5);
  return pick<Compare>(random, [
    { ...compared, result, target: Target.VERSION, version: number },
    { ...compared, result, target: Target.MOD, modRevision: number * 5 },
    { ...compared, result, target: Target.CREATE, createRevision: number * 5 },
    { ...compared, result, target: Target.VALUE, value: Buffer.from(randomValue(random)) },
  ]);
}

function randomOperation(random: Random, keys: readonly string[]): RequestOp {
  const key = pick(random, keys);
  const die = random.next();
  if (die < 0.5) return { requestPut: putOf(key, randomValue(random)) };
  if (die < 0.7) return { requestDeleteRange: removeOf(key) };
  return { requestRange: (read(key) as Extract<KvInput, { kind: "range" }>).request };
}
