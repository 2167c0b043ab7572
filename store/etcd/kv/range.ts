import { etcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  KeyValue,
  RangeRequest,
  RangeResponse,
  ResponseHeader,
} from "@raft2kube/proto/gen/etcd.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { checkRead } from "../../auth/authorize.ts";
import type { Caller } from "../../auth/caller.ts";
import { RANGE_CHUNK_KEYS, RANGE_CHUNK_RECORDS } from "../../limits.ts";
import { continuePlan, finishRange, planRange, type RangePlan } from "../../mvcc/kv/range.ts";
import { header } from "../../mvcc/state/state.ts";
import { readAllowed } from "../request/caller.ts";
import { type EtcdContext, readBarrier } from "../request/context.ts";
import type { Ending } from "../request/verb.ts";
import { checkRange } from "./check.ts";

/**
 * KV.Range. Long ones read their records over several turns of the loop, at the revision of the
 * first.
 */
export async function range(
  context: EtcdContext,
  request: RangeRequest,
  { peer = "" }: Partial<Ending> = {},
): Promise<RangeResponse> {
  checkRange(request);
  if (context.replica.stopped) throw etcdError("stopped");
  if (!request.serializable) await readBarrier(context);
  const { key, rangeEnd } = request;
  const allowed = (caller?: Caller) => checkRead(context.state.auth, caller, key, rangeEnd);
  const timed = async () => {
    const from_ms = context.clock.monotonic();
    const response = await read(context, request);
    context.metrics.applied("range", context.clock.monotonic() - from_ms);
    return response;
  };
  return readAllowed(context, allowed, () => context.readTurns.run(peer, timed));
}

async function read(context: EtcdContext, request: RangeRequest): Promise<RangeResponse> {
  const { state } = context;
  const answerHeader = header(state);
  const plan = planRange(state, request, state.revision, RANGE_CHUNK_KEYS);
  if (plan.next === undefined && plan.points.length <= RANGE_CHUNK_RECORDS) {
    const kvs = plan.points.map(({ main, sub }) => state.records.read(main, sub));
    return { header: answerHeader, ...finishRange(request, plan, kvs) };
  }
  return context.compactor.hold(() => readInTurns(context, request, { answerHeader, plan }));
}

type Begun = { readonly answerHeader: ResponseHeader; readonly plan: RangePlan };

async function readInTurns(
  { state }: EtcdContext,
  request: RangeRequest,
  begun: Begun,
): Promise<RangeResponse> {
  // These, even when the state is replaced in between.
  const { index, records } = state;
  let { answerHeader, plan } = begun;
  while (plan.next !== undefined) {
    await nextTurn();
    if (state.index === index && state.compactRevision > plan.at) {
      // Points may be gone from the index: a compacted revision is refused, as is a later request.
      answerHeader = header(state);
      plan = planRange(state, request, state.revision);
    } else continuePlan(index, request, plan, RANGE_CHUNK_KEYS);
  }
  const kvs: KeyValue[] = [];
  for (const [i, { main, sub }] of plan.points.entries()) {
    if (i % RANGE_CHUNK_RECORDS === 0) await nextTurn();
    kvs.push(records.read(main, sub));
  }
  return { header: answerHeader, ...finishRange(request, plan, kvs) };
}
