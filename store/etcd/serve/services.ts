import { EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  Auth,
  Cluster,
  Election,
  KV,
  Lease,
  type LeaseKeepAliveRequest,
  Lock,
  Maintenance,
  Watch,
  type WatchRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import { Health } from "@raft2kube/proto/gen/health.ts";
import type { MethodTable, ServiceTable } from "@raft2kube/proto/service.ts";
import { Batch } from "@raft2kube/rpc/batch.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import type { ServedService } from "@raft2kube/rpc/routes.ts";
import { type Call, type Handlers, serve } from "@raft2kube/rpc/server.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { STREAM_RESPONSES_PER_S, STREAM_REST_MS_MAX, STREAM_REST_MS_MIN } from "../../limits.ts";
import { actingFor, credentialsOf } from "../request/caller.ts";
import type { EtcdContext } from "../request/context.ts";
import type { Verb } from "../request/verb.ts";
import { WatchSession } from "../watch/watch.ts";
import { WatchEncoding } from "../watch/watch-encoding.ts";
import { healthCheck, healthWatch } from "./health.ts";
import { admit, endedByLoss, LeaderLoss, whenLost } from "./require-leader.ts";
import { invoke, invokeStream, VERBS } from "./verbs.ts";

/** etcd's services over the verbs. An RPC that is not here answers UNIMPLEMENTED, naming itself. */
export function etcdServices(context: EtcdContext): ServedService[] {
  const unary = <Q, R>(verb: Verb<Q, Promise<R>>) => {
    return async (request: Q, call: Call): Promise<R> => {
      try {
        admit(context, call, verb.onLearner?.(request) === true);
        return await invoke(verb, contextFor(context, call), request, call);
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
    serve(KV, unaryHandlers(KV, unary)),
    serve(Cluster, unaryHandlers(Cluster, unary)),
    serve(Auth, unaryHandlers(Auth, unary)),
    serve(Lock, unaryHandlers(Lock, unary)),
    serve(Watch, {
      watch: stream((requests, call) => watchResponses(context, loss, encoding, requests, call)),
    }),
    serve(Lease, {
      ...unaryHandlers(Lease, unary),
      leaseKeepAlive: stream((requests, call) =>
        endedByLoss(loss, call, keepAlives(context, requests, call)),
      ),
    }),
    serve(Maintenance, {
      ...unaryHandlers(Maintenance, unary),
      snapshot: stream(
        (request, call) => invokeStream(VERBS.snapshot, contextFor(context, call), request),
        true,
      ),
    }),
    serve(Election, {
      ...unaryHandlers(Election, unary),
      observe: stream((request, call) => {
        const leaders = invokeStream(VERBS.observe, contextFor(context, call), request, call);
        return endedByLoss(loss, call, leaders);
      }),
    }),
    serve(Health, {
      check: unary({ run: healthCheck, right: "none" }),
      watch: stream((request, call) => healthWatch(context, loss, request, call)),
    }),
  ];
}

type Unary = <Q, R>(verb: Verb<Q, Promise<R>>) => (request: Q, call: Call) => Promise<R>;

/** The handlers of all RPCs of a service that stream neither way, which VERBS has by name. */
function unaryHandlers<M>({ methods }: ServiceTable<M>, unary: Unary): Handlers<M> {
  const handlers = Object.entries<MethodTable>(methods).flatMap(([name, method]) => {
    if (method.clientStream || method.serverStream) return [];
    const verb = VERBS[name as keyof typeof VERBS] as Verb<unknown, Promise<unknown>> | undefined;
    assert(verb !== undefined, `there is no verb for ${name}`);
    return [[name, unary(verb)]];
  });
  return Object.fromEntries(handlers) as Handlers<M>;
}

/** A request's credentials are read only when a verb needs its caller. */
function contextFor(context: EtcdContext, call: Call): EtcdContext {
  return actingFor(context, () => credentialsOf(call), call.peer);
}

/** Throws etcd's errors as gRPC's. */
export function rethrow(thrown: unknown): never {
  if (thrown instanceof EtcdError) throw new RpcError(thrown.status, thrown.message);
  throw thrown;
}

async function* keepAlives(
  context: EtcdContext,
  requests: AsyncIterable<LeaseKeepAliveRequest>,
  call: Call,
) {
  for await (const request of requests) {
    yield await invoke(VERBS.leaseKeepAlive, contextFor(context, call), request);
  }
}

async function* watchResponses(
  context: EtcdContext,
  loss: LeaderLoss,
  encoding: WatchEncoding,
  requests: AsyncIterable<WatchRequest>,
  call: Call,
) {
  const identify = () => contextFor(context, call).identify();
  const session = new WatchSession(context, identify, call.peer);
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
 * Bounds the rate of responses of a stream of many watches: while it rests, later events join those
 * that wait. One of few watches never rests.
 */
async function restAfter(responses: number, clock: Clock): Promise<void> {
  const rest_ms = Math.min((responses * 1_000) / STREAM_RESPONSES_PER_S, STREAM_REST_MS_MAX);
  if (rest_ms >= STREAM_REST_MS_MIN) await delay(clock, rest_ms);
}
