import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type { KeyValue, RangeRequest, RangeResponse } from "@raft2kube/proto/gen/etcd.ts";
import { checkRead } from "../../auth/authorize.ts";
import type { Caller } from "../../auth/caller.ts";
import { RANGE_CHUNK_RECORDS } from "../../limits.ts";
import type { KeyPoint } from "../../mvcc/index/key-history.ts";
import { finishRange, planRange } from "../../mvcc/kv/range.ts";
import { header } from "../../mvcc/state/state.ts";
import { readAllowed } from "../request/caller.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";
import { checkRange } from "./check.ts";

/**
 * KV.Range. Long ones read their records over several turns of the loop, at the revision of the
 * first.
 */
export async function range(context: EtcdContext, request: RangeRequest): Promise<RangeResponse> {
  checkRange(request);
  if (context.replica.stopped) throw etcdError("stopped");
  if (!request.serializable) await readBarrier(context);
  const { key, rangeEnd } = request;
  const allowed = (caller?: Caller) => checkRead(context.state.auth, caller, key, rangeEnd);
  return readAllowed(context, allowed, async () => {
    const from_ms = context.clock.monotonic();
    const response = await read(context, request);
    context.metrics.applied("range", context.clock.monotonic() - from_ms);
    return response;
  });
}

async function read(context: EtcdContext, request: RangeRequest): Promise<RangeResponse> {
  const { state } = context;
  const plan = planRange(state, request, state.revision);
  const answerHeader = header(state);
  const kvs =
    plan.points.length <= RANGE_CHUNK_RECORDS
      ? readAll(context, plan.points)
      : await context.compactor.hold(() => readInTurns(context, plan.points));
  return { header: answerHeader, ...finishRange(request, plan, kvs) };
}

function readAll({ state }: EtcdContext, points: KeyPoint[]): KeyValue[] {
  return points.map(({ main, sub }) => state.records.read(main, sub));
}

async function readInTurns(context: EtcdContext, points: KeyPoint[]): Promise<KeyValue[]> {
  const kvs: KeyValue[] = [];
  // These records, even when the state is replaced in between.
  const { records } = context.state;
  for (let at = 0; at < points.length; at += RANGE_CHUNK_RECORDS) {
    if (at > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    for (const { main, sub } of points.slice(at, at + RANGE_CHUNK_RECORDS)) {
      kvs.push(records.read(main, sub));
    }
  }
  return kvs;
}
