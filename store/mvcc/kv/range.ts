import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type KeyValue,
  RangeRequest_SortOrder as Order,
  type RangeRequest,
  RangeRequest_SortTarget as Target,
} from "@raft2kube/proto/gen/etcd.ts";
import { NO_BYTES } from "@raft2kube/std/bytes.ts";
import { type KeyRange, keyRange } from "../../structures/key-range.ts";
import type { KeyPoint } from "../index/key-history.ts";
import type { KeyIndex } from "../index/key-index.ts";
import type { State } from "../state/state.ts";

/** The source of a range: the state, or a transaction over it. */
export interface RangeSource {
  readonly revision: number;
  read(main: number, sub: number): KeyValue;
}

export type RangeResult = { kvs: KeyValue[]; more: boolean; count: number };

/** The plan of a range: which records answer it, before any of them is read. */
export interface RangePlan {
  readonly at: number;
  points: KeyPoint[];
  count: number;
  /** The key at which looking up continues; undefined once the plan is complete. */
  next: string | undefined;
}

/** Refuses revisions that are gone or yet to come (S6). */
function checkRevision(state: State, wanted: number, current: number): number {
  // lab:06 begin check-revision
  if (wanted > current) throw etcdError("futureRevision");
  const at = wanted <= 0 ? current : wanted;
  if (at < state.compactRevision) throw etcdError("compacted");
  return at;
  // lab:06 end
}

/**
 * Looks up the points of a range, of up to `keys_max` keys. Records that the limit leaves out are
 * counted, not kept.
 */
export function planRange(
  state: State,
  request: RangeRequest,
  current: number,
  keys_max = Infinity,
): RangePlan {
  const at = checkRevision(state, request.revision, current);
  state.metrics.ranges++;
  const plan: RangePlan = { at, points: [], count: 0, next: undefined };
  continuePlan(state.index, request, plan, keys_max);
  return plan;
}

/** Looks up the points of the next `keys_max` keys. The index must still have the revision. */
export function continuePlan(
  index: KeyIndex,
  request: RangeRequest,
  plan: RangePlan,
  keys_max: number,
): void {
  const range: KeyRange = keyRange(request.key, request.rangeEnd);
  const from = plan.next ?? range.from;
  const limit = request.countOnly ? 0 : readLimit(request);
  const { points } = plan;
  const end = plan.count + keys_max;
  plan.next = undefined;
  index.visit({ ...range, from }, plan.at, (key, point) => {
    if (plan.count === end) {
      plan.next = key;
      return false;
    }
    plan.count++;
    if (points.length < limit) points.push(point);
    return undefined;
  });
}

/**
 * How many records must be read: all, when they are to be sorted or filtered first. As etcd, a
 * target without an order sorts only what the limit let through, and one more.
 */
function readLimit(request: RangeRequest): number {
  if (request.limit <= 0 || filtered(request)) return Infinity;
  if (inKeyOrder(request)) return request.limit;
  return request.sortOrder === Order.NONE ? request.limit + 1 : Infinity;
}

function inKeyOrder(request: RangeRequest): boolean {
  return request.sortTarget === Target.KEY && request.sortOrder !== Order.DESCEND;
}

function filtered(request: RangeRequest): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  if (minModRevision !== 0 || maxModRevision !== 0) return true;
  return minCreateRevision !== 0 || maxCreateRevision !== 0;
}

/** Filters, sorts and cuts the records of a plan, as etcd does after its store has answered. */
export function finishRange(request: RangeRequest, plan: RangePlan, read: KeyValue[]): RangeResult {
  let kvs = filtered(request) ? read.filter((kv) => passes(request, kv)) : read;
  if (!inKeyOrder(request)) kvs = sort(request, kvs);
  const limited = request.limit > 0 && !request.countOnly;
  // The read may already have applied the limit.
  const unread = readLimit(request) !== Infinity && plan.count > request.limit;
  const more = limited && (unread || kvs.length > request.limit);
  if (limited && kvs.length > request.limit) kvs = kvs.slice(0, request.limit);
  if (request.keysOnly) kvs = kvs.map((kv) => ({ ...kv, value: NO_BYTES }));
  return { kvs, more, count: plan.count };
}

/** A range in one go, for transactions and short reads. */
export function range(state: State, source: RangeSource, request: RangeRequest): RangeResult {
  const plan = planRange(state, request, source.revision);
  return finishRange(
    request,
    plan,
    plan.points.map(({ main, sub }) => source.read(main, sub)),
  );
}

function passes(request: RangeRequest, kv: KeyValue): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  return (
    (minModRevision === 0 || kv.modRevision >= minModRevision) &&
    (maxModRevision === 0 || kv.modRevision <= maxModRevision) &&
    (minCreateRevision === 0 || kv.createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0 || kv.createRevision <= maxCreateRevision)
  );
}

type Comparison = (a: KeyValue, b: KeyValue) => number;

const COMPARISONS: Record<number, Comparison> = {
  [Target.KEY]: (a, b) => Buffer.compare(a.key, b.key),
  [Target.VERSION]: (a, b) => a.version - b.version,
  [Target.CREATE]: (a, b) => a.createRevision - b.createRevision,
  [Target.MOD]: (a, b) => a.modRevision - b.modRevision,
  [Target.VALUE]: (a, b) => Buffer.compare(a.value, b.value),
};

function sort(request: RangeRequest, kvs: KeyValue[]): KeyValue[] {
  const compare = COMPARISONS[request.sortTarget];
  if (!compare) return kvs;
  const sign = request.sortOrder === Order.DESCEND ? -1 : 1;
  return [...kvs].sort((a, b) => sign * compare(a, b));
}
