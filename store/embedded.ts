import { CALLS, callsBy } from "@raft2kube/client-etcd/calls.ts";
import type {
  CallOptions,
  ConnectOptions,
  EtcdClient,
  WatchOptions,
  WatchStream,
} from "@raft2kube/client-etcd/client.ts";
import { EtcdError, etcdError } from "@raft2kube/client-etcd/errors.ts";
import { signedIn } from "@raft2kube/client-etcd/signed-in.ts";
import { activeSpan, during, type Tracer } from "@raft2kube/observe/trace/tracer.ts";
import {
  Auth,
  KV,
  Lease,
  Maintenance,
  WatchCreateRequest,
  type WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import { rpcAttributes } from "@raft2kube/rpc/call-span.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { actingFor } from "./etcd/request/caller.ts";
import { complete } from "./etcd/request/complete.ts";
import type { EtcdContext } from "./etcd/request/context.ts";
import type { Verb } from "./etcd/request/verb.ts";
import { invoke, VERBS } from "./etcd/serve/verbs.ts";
import { WatchSession } from "./etcd/watch/watch.ts";

/**
 * The store's client inside its own process: the same verbs, errors, limits and back-pressure as
 * over gRPC, without coding. Messages are passed on as they are: neither side changes them
 * afterwards. `connection` is how others reach the store. Calls are parts of their callers' traces.
 */
export function embeddedClient(
  context: EtcdContext,
  connection?: ConnectOptions,
  tracer?: Tracer,
): EtcdClient {
  const sessions = new Set<WatchStream>();
  const self: EtcdClient = {
    ...callsBy((name, request, options) => {
      const verb = VERBS[name] as Verb<unknown, Promise<unknown>>;
      const acting = actingFor(context, () => ({ token: options?.token }));
      const message = complete(CALLS[name].request, request);
      const call = () => withDeadline(context.clock, invoke(verb, acting, message), options);
      const caller = tracer && activeSpan();
      if (!caller?.isSampled) return call();
      const rpc = RPC_NAMES.get(name) ?? name;
      const span = { kind: "server", attributes: rpcAttributes(rpc) } as const;
      return during(tracer!.start(rpc, span, caller), call);
    }),
    watch(options = {}) {
      const stream = embeddedWatch(context, options, () => sessions.delete(stream));
      sessions.add(stream);
      return stream;
    },
    as: (user) => signedIn(self, user),
    connection,
    close() {
      for (const session of [...sessions]) session.close();
      return Promise.resolve();
    },
  };
  return self;
}

/** `etcdserverpb.KV/Range` and the like by the names of calls. */
const RPC_NAMES = new Map(
  [KV, Lease, Maintenance, Auth].flatMap(({ fullName, methods }) =>
    Object.entries<MethodTable>(methods).map(
      ([name, method]) => [name, `${fullName}/${method.name}`] as const,
    ),
  ),
);

/** Ends a call for its caller at its deadline or abort; its effects continue, as on a server. */
function withDeadline<R>(clock: Clock, result: Promise<R>, options?: CallOptions): Promise<R> {
  const { timeout_ms, signal } = options ?? {};
  if (timeout_ms === undefined && !signal) return result;
  return new Promise((resolve, reject) => {
    const cancelled = () => {
      release();
      reject(new EtcdError(Status.CANCELLED, "context canceled"));
    };
    const expired = () => {
      release();
      reject(etcdError("deadlineExceeded"));
    };
    const timer = timeout_ms === undefined ? undefined : clock.after(timeout_ms, expired);
    const release = () => {
      timer?.cancel();
      signal?.removeEventListener("abort", cancelled);
    };
    // After a deadline or an abort the result of the call is ignored, failures included.
    result.finally(release).then(resolve, reject);
    if (signal?.aborted) return cancelled();
    if (timeout_ms !== undefined && timeout_ms <= 0) return expired();
    signal?.addEventListener("abort", cancelled, { once: true });
  });
}

function embeddedWatch(
  context: EtcdContext,
  options: WatchOptions,
  onEnd: () => void,
): WatchStream {
  const { token } = options;
  const asked = typeof token === "function" ? token : () => Promise.resolve(token);
  const session = new WatchSession(context, async () => {
    const given = await asked();
    return actingFor(context, () => ({ token: given })).identify();
  });
  const close = () => {
    session.close();
    onEnd();
  };
  options.signal?.addEventListener("abort", close, { once: true });
  async function* iterate(): AsyncGenerator<WatchResponse> {
    try {
      for (;;) {
        const response = await session.next();
        if (!response) return;
        yield response;
      }
    } finally {
      options.signal?.removeEventListener("abort", close);
      close();
    }
  }
  return {
    create: (init) => {
      const createRequest = complete(WatchCreateRequest, init);
      void session.handle({ createRequest });
    },
    cancel: (watchId) => void session.handle({ cancelRequest: { watchId } }),
    requestProgress: () => void session.handle({ progressRequest: {} }),
    close,
    [Symbol.asyncIterator]: iterate,
  };
}
