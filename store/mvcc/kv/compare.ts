import {
  type Compare,
  type KeyValue,
  Compare_CompareResult as Result,
  Compare_CompareTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import { keyRange } from "../../structures/key-range.ts";
import type { State } from "../state/state.ts";
import type { RangeSource } from "./range.ts";

/** A missing key's values in comparisons. */
const ABSENT: KeyValue = {
  key: NO_BYTES,
  createRevision: 0,
  modRevision: 0,
  version: 0,
  value: NO_BYTES,
  lease: 0n,
};

/**
 * Whether a condition holds for every key of its range; a missing key is compared as all zeros,
 * but has no value.
 */
export function compareHolds(state: State, source: RangeSource, compare: Compare): boolean {
  // lab:06 begin compare-holds
  let found = false;
  let holds = true;
  const range = keyRange(compare.key, compare.rangeEnd);
  state.index.visit(range, source.revision, (_key, { main, sub }) => {
    found = true;
    holds = holdsFor(compare, source.read(main, sub));
    return holds;
  });
  if (found) return holds;
  // etcd: without a value the comparison fails, with any operator.
  return compare.target !== Target.VALUE && holdsFor(compare, ABSENT);
  // lab:06 end
}

function holdsFor(compare: Compare, kv: KeyValue): boolean {
  const order = difference(compare, kv);
  switch (compare.result) {
    case Result.EQUAL:
      return order === 0;
    case Result.NOT_EQUAL:
      return order !== 0;
    case Result.GREATER:
      return order > 0;
    case Result.LESS:
      return order < 0;
    default:
      // As etcd: an unknown relation holds.
      return true;
  }
}

function difference(compare: Compare, kv: KeyValue): number {
  switch (compare.target) {
    case Target.VALUE:
      return Buffer.compare(kv.value, compare.value ?? NO_BYTES);
    case Target.CREATE:
      return kv.createRevision - (compare.createRevision ?? 0);
    case Target.MOD:
      return kv.modRevision - (compare.modRevision ?? 0);
    case Target.VERSION:
      return kv.version - (compare.version ?? 0);
    case Target.LEASE: {
      const lease = compare.lease ?? 0n;
      return kv.lease < lease ? -1 : kv.lease > lease ? 1 : 0;
    }
    default:
      return 0;
  }
}
