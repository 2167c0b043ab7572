import { EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  Auth,
  type AuthMethods,
  Cluster,
  KV,
  Lease,
  type LeaseKeepAliveRequest,
  Maintenance,
  Watch,
  type WatchRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { Health } from "@raft2kube/proto/gen/health.ts";
import { Batch } from "@raft2kube/rpc/batch.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { type Call, type Handlers, type ServedService, serve } from "@raft2kube/rpc/server.ts";
import { STREAM_RESPONSES_PER_S, STREAM_REST_MS_MAX, STREAM_REST_MS_MIN } from "../../limits.ts";
import { alarm } from "../maintenance/alarm.ts";
import { AUTH_VERBS } from "../auth/auth.ts";
import { actingFor, credentialsOf, requireAdmin } from "../request/caller.ts";
import { compact } from "../kv/compact.ts";
import type { EtcdContext } from "../request/context.ts";
import { defragment } from "../maintenance/defragment.ts";
import { deleteRange } from "../kv/delete-range.ts";
import { downgrade } from "../maintenance/downgrade.ts";
import { healthCheck, healthWatch } from "./health.ts";
import { hash } from "../maintenance/hash.ts";
import { hashKv } from "../maintenance/hash-kv.ts";
import { leaseGrant } from "../lease/lease-grant.ts";
import { leaseKeepAlive } from "../lease/lease-keep-alive.ts";
import { leaseLeases } from "../lease/lease-leases.ts";
import { leaseRevoke } from "../lease/lease-revoke.ts";
import { leaseTimeToLive } from "../lease/lease-time-to-live.ts";
import { memberAdd } from "../cluster/member-add.ts";
import { memberList } from "../cluster/member-list.ts";
import { memberPromote } from "../cluster/member-promote.ts";
import { memberRemove } from "../cluster/member-remove.ts";
import { memberUpdate } from "../cluster/member-update.ts";
import { moveLeader } from "../maintenance/move-leader.ts";
import { put } from "../kv/put.ts";
import { range } from "../kv/range.ts";
import { LeaderLoss, admit, endedByLoss, whenLost } from "./require-leader.ts";
import { snapshot } from "../maintenance/snapshot.ts";
import { status } from "../maintenance/status.ts";
import { txn } from "../kv/txn.ts";
import { WatchEncoding } from "../watch/watch-encoding.ts";
import { WatchSession } from "../watch/watch.ts";

/** Verbs that decide themselves who may call them; all others are for users with the role root. */
const DECIDING = new Set<unknown>([
  ...[range, put, deleteRange, txn, compact],
  ...[leaseGrant, leaseRevoke, leaseTimeToLive, leaseLeases],
  ...[memberList, status, alarm, healthCheck],
  ...Object.values(AUTH_VERBS),
]);

/** etcd's services over the verbs. An RPC that is not here answers UNIMPLEMENTED, naming itself. */
export function etcdServices(context: EtcdContext): ServedService[] {
  type Verb<Q, R> = (context: EtcdContext, request: Q) => Promise<R>;
  const unary = <Q, R>(verb: Verb<Q, R>, onLearner: (request: Q) => boolean = () => false) => {
    return async (request: Q, call: Call): Promise<R> => {
      try {
        admit(context, call, onLearner(request));
        const acting = contextFor(context, call);
        if (!DECIDING.has(verb)) await requireAdmin(acting);
        return await verb(acting, request);
      } catch (thrown) {
        return rethrow(thrown);
      }
    };
  };
  type Answer<I, R> = (input: I, call: Call) => AsyncIterable<R>;
  const stream = <I, R>(answer: Answer<I, R>, onLearner = false) => {
    return async function* (input: I, call: Call) {
      try {
        admit(context, call, onLearner);
        yield* answer(input, call);
      } catch (thrown) {
        rethrow(thrown);
      }
    };
  };
  const loss = new LeaderLoss(context.replica, context.clock);
  const encoding = new WatchEncoding();
  return [
    serve(KV, {
      range: unary(range, ({ serializable }) => serializable),
      put: unary(put),
      deleteRange: unary(deleteRange),
      txn: unary(txn),
      compact: unary(compact),
    }),
    serve(Watch, {
      watch: stream((requests, call) => watchResponses(context, loss, encoding, requests, call)),
    }),
    serve(Lease, {
      leaseGrant: unary(leaseGrant),
      leaseRevoke: unary(leaseRevoke),
      leaseKeepAlive: stream((requests, call) =>
        endedByLoss(loss, call, keepAlives(context, requests, call))),
      leaseTimeToLive: unary(leaseTimeToLive),
      leaseLeases: unary(leaseLeases),
    }),
    serve(Cluster, {
      memberAdd: unary(memberAdd),
      memberRemove: unary(memberRemove),
      memberUpdate: unary(memberUpdate),
      memberList: unary(memberList),
      memberPromote: unary(memberPromote),
    }),
    serve(Maintenance, {
      status: unary(status, () => true),
      alarm: unary(alarm),
      defragment: unary(defragment),
      hash: unary(hash),
      hashKV: unary(hashKv),
      snapshot: stream((request, call) => snapshot(contextFor(context, call), request), true),
      moveLeader: unary(moveLeader),
      downgrade: unary(downgrade),
    }),
    serve(Auth, authHandlers(unary)),
    serve(Health, {
      check: unary(healthCheck),
      watch: stream((request, call) => healthWatch(context, loss, request, call)),
    }),
  ];
}

type Unary = <Q, R>(
  verb: (context: EtcdContext, request: Q) => Promise<R>,
) => (request: Q, call: Call) => Promise<R>;

function authHandlers(unary: Unary): Handlers<AuthMethods> {
  const handlers = Object.entries(AUTH_VERBS).map(([name, verb]) => {
    return [name, unary(verb as (context: EtcdContext, request: unknown) => Promise<unknown>)];
  });
  return Object.fromEntries(handlers) as Handlers<AuthMethods>;
}

/** What a request shows for its caller is looked at when a verb asks who it is. */
function contextFor(context: EtcdContext, call: Call): EtcdContext {
  return actingFor(context, () => credentialsOf(call));
}

function rethrow(thrown: unknown): never {
  if (thrown instanceof EtcdError) throw new RpcError(thrown.status, thrown.message);
  throw thrown;
}

async function* keepAlives(
  context: EtcdContext,
  requests: AsyncIterable<LeaseKeepAliveRequest>,
  call: Call,
) {
  for await (const request of requests) {
    yield await leaseKeepAlive(contextFor(context, call), request);
  }
}

async function* watchResponses(
  context: EtcdContext,
  loss: LeaderLoss,
  encoding: WatchEncoding,
  requests: AsyncIterable<WatchRequest>,
  call: Call,
) {
  const session = new WatchSession(context, () => contextFor(context, call).identify());
  const close = () => session.close();
  call.signal.addEventListener("abort", close, { once: true });
  const unlisten = whenLost(loss, call, () => session.close(etcdError("noLeader")));
  // The client ends the stream by ending its requests, or by going away: an error here is that.
  void session.follow(requests).then(close, close);
  try {
    for (;;) {
      const responses = await session.take();
      if (!responses) break;
      yield new Batch(responses.map((response) => encoding.encode(response)));
      await restAfter(responses.length, context.clock);
    }
  } finally {
    unlisten();
    close();
  }
}

/**
 * A stream of many watches gets so many responses a second and no more: while it rests, later
 * events join those that wait. One of few watches never rests.
 */
async function restAfter(responses: number, clock: Clock): Promise<void> {
  const rest_ms = Math.min((responses * 1_000) / STREAM_RESPONSES_PER_S, STREAM_REST_MS_MAX);
  if (rest_ms >= STREAM_REST_MS_MIN) await delay(clock, rest_ms);
}
