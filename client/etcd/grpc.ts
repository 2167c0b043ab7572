import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  AuthMethods,
  KVMethods,
  LeaseKeepAliveResponse,
  LeaseMethods,
  MaintenanceMethods,
  WatchMethods,
  WatchRequest,
  WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { Auth, KV, Lease, Maintenance, Watch } from "@raft2kube/proto/gen/etcd.ts";
import {
  type Channel,
  type ClientTls,
  client,
  connectGrpc,
  type RpcClient,
} from "@raft2kube/rpc/client.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { Balancer } from "./balancer.ts";
import { callsBy } from "./calls.ts";
import type {
  CallOptions,
  ConnectOptions,
  EtcdClient,
  WatchOptions,
  WatchStream,
} from "./client.ts";
import { EtcdError, etcdError } from "./errors.ts";
import { CALL_TIMEOUT_MS, MESSAGE_BYTES_MAX, RETRIES_MS, RETRY_PAUSE_MS } from "./limits.ts";
import { RequestQueue } from "./request-queue.ts";
import { signedIn } from "./signed-in.ts";

interface Endpoint {
  channel: Channel;
  calls: RpcClient<KVMethods & LeaseMethods & MaintenanceMethods & AuthMethods & WatchMethods>;
}

/**
 * An etcd client over gRPC. A call that finds its endpoint UNAVAILABLE is made again at the next
 * one, and then at all again, when that is safe: it changes nothing, or it was never sent. Others
 * fail, since they may have been done. All attempts together end with the call's deadline.
 */
export function connectEtcd(options: ConnectOptions): EtcdClient {
  if (options.endpoints.length === 0) throw new RangeError("an etcd client needs an endpoint");
  const endpoints = options.endpoints.map((address) => openEndpoint(address, options.tls));
  const timeout_ms = options.timeout_ms ?? CALL_TIMEOUT_MS;
  const streams = new Set<WatchStream>();
  const clock = systemClock({ unref: true });
  const balancer = new Balancer(endpoints.length, clock, options.spread === true);

  const attempt = attemptsAt(endpoints, balancer, clock, timeout_ms);

  const self: EtcdClient = {
    ...callsBy((name, request, given) => {
      const call = (endpoint: Endpoint, o: CallOptions): Promise<unknown> =>
        name === "leaseKeepAlive"
          ? keepAliveOnce(endpoint, request, o)
          : endpoint.calls[name](request as never, o);
      return attempt(call, given, READING.test(name));
    }),
    watch(given = {}) {
      const at = balancer.pick(new Set())!;
      const onEnd = (error?: EtcdError) => {
        streams.delete(stream);
        if (error?.status === Status.UNAVAILABLE) balancer.failed(at);
      };
      const stream = openWatch(endpoints[at]!, given, onEnd);
      streams.add(stream);
      return stream;
    },
    as: (user) => signedIn(self, user),
    connection: options,
    close() {
      for (const stream of [...streams]) stream.close();
      for (const { channel } of endpoints) channel.close();
      return Promise.resolve();
    },
  };
  return options.user ? { ...self.as(options.user), close: self.close } : self;
}

/**
 * Makes a call at one endpoint after the other, for as long as that is safe and in time. When none
 * takes it, it is made again for `RETRIES_MS`, as etcd's own client does: a member that is started
 * again is away for about as long.
 */
function attemptsAt(endpoints: Endpoint[], balancer: Balancer, clock: Clock, timeout_ms: number) {
  return async <R>(
    call: (endpoint: Endpoint, options: CallOptions) => Promise<R>,
    given: CallOptions | undefined,
    repeatable: boolean,
  ): Promise<R> => {
    const { token, ...rest } = given ?? {};
    const metadata = token === undefined ? {} : { metadata: { token } };
    const begun_ms = clock.monotonic();
    const end_ms = begun_ms + (rest.timeout_ms ?? timeout_ms);
    const tried = new Set<number>();
    let failure: EtcdError | undefined;
    for (;;) {
      let at = balancer.pick(tried);
      if (at === undefined) {
        if (clock.monotonic() - begun_ms >= RETRIES_MS) throw failure!;
        // A call under way keeps its process, as the clock of all the rest does not.
        await delay(systemClock(), RETRY_PAUSE_MS, rest.signal);
        if (rest.signal?.aborted) throw failure!;
        tried.clear();
        at = balancer.pick(tried)!;
      }
      const left_ms = end_ms - clock.monotonic();
      if (failure && left_ms <= 0) throw failure;
      tried.add(at);
      try {
        const answer = await call(endpoints[at]!, { ...rest, ...metadata, timeout_ms: left_ms });
        balancer.succeeded(at);
        return answer;
      } catch (thrown) {
        failure = asEtcdError(thrown);
        // It reached a member without a leader: the next call had better go to another.
        if (failure.is("deadlineExceeded")) balancer.failed(at);
        if (failure.status !== Status.UNAVAILABLE) throw failure;
        balancer.failed(at);
        if (!repeatable && !wasNeverSent(failure)) throw failure;
      }
    }
  };
}

/** Calls that change nothing, or nothing that lasts. */
const READING =
  /^(range|status|lease(KeepAlive|TimeToLive|Leases)|auth(Status|enticate)|(user|role)(Get|List))$/;

function openEndpoint(address: string, tls: ClientTls | undefined): Endpoint {
  const channel = connectGrpc(address, {
    messageBytes_max: MESSAGE_BYTES_MAX,
    // The kernel takes a quarter of an hour, if calls were sent; a watch would wait as long.
    leavesSilent: true,
    ...(tls ? { tls } : {}),
  });
  return {
    channel,
    calls: {
      ...client(channel, KV),
      ...client(channel, Lease),
      ...client(channel, Maintenance),
      ...client(channel, Auth),
      ...client(channel, Watch),
    },
  };
}

/** One request and one answer on a keep-alive stream of its own. */
async function keepAliveOnce(
  { calls }: Endpoint,
  request: Parameters<EtcdClient["leaseKeepAlive"]>[0],
  options: CallOptions,
) {
  const requests = new RequestQueue<typeof request>();
  requests.push(request);
  let first: LeaseKeepAliveResponse | undefined;
  // Read to its end: servers take many streams cut short for an attack.
  for await (const response of calls.leaseKeepAlive(requests, options)) {
    first ??= response;
    requests.end();
  }
  if (!first) throw etcdError("stopped");
  return first;
}

/** gRPC's words for a call that found no connection to go out on. */
const NEVER_SENT = /^(No connection established|Name resolution failed)/;

const wasNeverSent = ({ message }: EtcdError): boolean => NEVER_SENT.test(message);

function openWatch(
  endpoint: Endpoint,
  options: WatchOptions,
  onEnd: (error?: EtcdError) => void,
): WatchStream {
  const requests = new RequestQueue<Init<WatchRequest>>();
  const abort = new AbortController();
  const close = () => {
    abort.abort();
    requests.end();
    onEnd();
  };
  options.signal?.addEventListener("abort", close, { once: true });
  if (options.signal?.aborted) close();
  const metadata: Record<string, string> = {};
  if (options.requireLeader !== false) metadata["hasleader"] = "true";
  const open = (token: string | undefined) => {
    if (token !== undefined) metadata["token"] = token;
    return endpoint.calls.watch(requests, { signal: abort.signal, metadata });
  };
  const { token } = options;
  // Opened now, not when it is first read: what is asked for meanwhile must not wait.
  const opened = typeof token === "function" ? token().then(open) : open(token);
  // A failed sign-in is reported to the stream's reader alone.
  if (opened instanceof Promise) opened.catch(() => undefined);
  async function* iterate(): AsyncGenerator<WatchResponse> {
    try {
      yield* await opened;
    } catch (thrown) {
      if (abort.signal.aborted) return;
      const error = asEtcdError(thrown);
      onEnd(error);
      throw error;
    } finally {
      options.signal?.removeEventListener("abort", close);
      close();
    }
  }
  return {
    create: (createRequest) => requests.push({ createRequest }),
    cancel: (watchId) => requests.push({ cancelRequest: { watchId } }),
    requestProgress: () => requests.push({ progressRequest: {} }),
    close,
    [Symbol.asyncIterator]: iterate,
  };
}

function asEtcdError(thrown: unknown): EtcdError {
  if (thrown instanceof EtcdError) return thrown;
  if (!(thrown instanceof RpcError)) throw thrown;
  return new EtcdError(thrown.status, thrown.message, { cause: thrown });
}
