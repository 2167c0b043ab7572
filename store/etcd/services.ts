import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  Auth,
  Cluster,
  KV,
  Lease,
  type LeaseKeepAliveRequest,
  Maintenance,
  Watch,
  type WatchRequest,
} from "@raft2kube/proto/gen/etcd.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "@raft2kube/proto/gen/health.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { type Call, type ServedService, serve } from "@raft2kube/rpc/server.ts";
import { alarm } from "./alarm.ts";
import { compact } from "./compact.ts";
import type { EtcdContext } from "./context.ts";
import { deleteRange } from "./delete-range.ts";
import { leaseGrant } from "./lease-grant.ts";
import { leaseKeepAlive } from "./lease-keep-alive.ts";
import { leaseLeases } from "./lease-leases.ts";
import { leaseRevoke } from "./lease-revoke.ts";
import { leaseTimeToLive } from "./lease-time-to-live.ts";
import { memberList } from "./member-list.ts";
import { put } from "./put.ts";
import { range } from "./range.ts";
import { status } from "./status.ts";
import { txn } from "./txn.ts";
import { WatchSession } from "./watch.ts";

/** etcd's services over the verbs. An RPC that is not here answers UNIMPLEMENTED, naming itself. */
export function etcdServices(context: EtcdContext): ServedService[] {
  type Verb<Q, R> = (context: EtcdContext, request: Q) => Promise<R>;
  const unary = <Q, R>(verb: Verb<Q, R>) => {
    return (request: Q): Promise<R> => verb(context, request).catch(rethrow);
  };
  return [
    serve(KV, {
      range: unary(range),
      put: unary(put),
      deleteRange: unary(deleteRange),
      txn: unary(txn),
      compact: unary(compact),
    }),
    serve(Watch, { watch: (requests, call) => watchResponses(context, requests, call) }),
    serve(Lease, {
      leaseGrant: unary(leaseGrant),
      leaseRevoke: unary(leaseRevoke),
      leaseKeepAlive: (requests) => keepAlives(context, requests),
      leaseTimeToLive: unary(leaseTimeToLive),
      leaseLeases: unary(leaseLeases),
    }),
    serve(Cluster, { memberList: unary(memberList) }),
    serve(Maintenance, { status: unary(status), alarm: unary(alarm) }),
    serve(Auth, {}),
    serve(Health, { check: () => ({ status: Serving.SERVING }) }),
  ];
}

function rethrow(thrown: unknown): never {
  if (thrown instanceof EtcdError) throw new RpcError(thrown.status, thrown.message);
  throw thrown;
}

async function* keepAlives(context: EtcdContext, requests: AsyncIterable<LeaseKeepAliveRequest>) {
  for await (const request of requests) {
    yield await leaseKeepAlive(context, request).catch(rethrow);
  }
}

async function* watchResponses(
  context: EtcdContext,
  requests: AsyncIterable<WatchRequest>,
  call: Call,
) {
  const session = new WatchSession(context);
  const close = () => session.close();
  call.signal.addEventListener("abort", close, { once: true });
  // The client ends the stream by ending its requests, or by going away: an error here is that.
  void readRequests(session, requests).then(close, close);
  try {
    for (;;) {
      const response = await session.next().catch(rethrow);
      if (!response) break;
      yield response;
    }
  } finally {
    close();
  }
}

async function readRequests(session: WatchSession, requests: AsyncIterable<WatchRequest>) {
  for await (const request of requests) session.handle(request);
}
