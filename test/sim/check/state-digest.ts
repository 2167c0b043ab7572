import { type KeyValue, RangeRequest } from "@raft2kube/proto/gen/etcd.ts";
import { range } from "@raft2kube/store/mvcc/kv/range.ts";
import type { State } from "@raft2kube/store/mvcc/state/state.ts";
import { text } from "../../../testing/history/kv-model.ts";
import { describeKvState } from "../../../testing/history/kv-state.ts";

const FIRST = Buffer.from([0]);

/** A member's state in the words of the model. */
export function digestOf(state: State): string {
  const { revision, records, compactRevision: compacted } = state;
  const request = { ...RangeRequest.create(), key: FIRST, rangeEnd: FIRST };
  const read = (main: number, sub: number) => records.read(main, sub);
  const { kvs } = range(state, { revision, read }, request);
  const keys = new Map(kvs.map((kv) => [text(kv.key), recOf(kv)]));
  const leases = new Map([...state.leases.values()].map((lease) => [lease.id, lease]));
  return describeKvState({ revision, keys, compacted, leases, past: undefined });
}

function recOf({ value, createRevision, modRevision, version, lease }: KeyValue) {
  return { value: text(value), create: createRevision, mod: modRevision, version, lease };
}
