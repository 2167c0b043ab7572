import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  Bidi,
  ClientStream,
  MethodTable,
  ServerStream,
  ServiceTable,
  Unary,
} from "@raft2kube/proto/service.ts";
import type { InputTurns } from "@raft2kube/std/input-turns.ts";
import { CallHeads } from "./call-head.ts";
import { Channel } from "./channel.ts";
import type { CallOptions, CallRoute } from "./client-call.ts";
import { StreamClientCall } from "./client-stream-call.ts";
import { UnaryClientCall } from "./client-unary-call.ts";
import { type ClientTls, targetOf } from "./dial.ts";
import { CALL_TIMEOUT_MS, MESSAGE_BYTES_MAX } from "./limits.ts";

export type { Channel } from "./channel.ts";
export type { CallOptions } from "./client-call.ts";
export type { ClientTls } from "./dial.ts";

type Caller<M> =
  M extends Unary<infer Q, infer R>
    ? (request: Init<Q>, options?: CallOptions) => Promise<R>
    : M extends ServerStream<infer Q, infer R>
      ? (request: Init<Q>, options?: CallOptions) => AsyncIterable<R>
      : M extends ClientStream<infer Q, infer R>
        ? (requests: AsyncIterable<Init<Q>>, options?: CallOptions) => Promise<R>
        : M extends Bidi<infer Q, infer R>
          ? (requests: AsyncIterable<Init<Q>>, options?: CallOptions) => AsyncIterable<R>
          : never;

/** One function per RPC of service `S`. Every failure is an RpcError. */
export type RpcClient<S> = { readonly [M in keyof S]: Caller<S[M]> };

export interface ChannelOptions {
  readonly tls?: ClientTls;
  readonly messageBytes_max?: number;
  /** `ClientConnectionOptions.leavesSilent`. Default false. */
  readonly leavesSilent?: boolean;
  /** `ClientConnectionOptions.turns`. Default: the server is trusted. */
  readonly turns?: InputTurns;
}

/**
 * A channel to `unix:///path`, `http://host:port` or `https://host:port` (with `tls`). It connects
 * when first used.
 */
export function connectGrpc(address: string, options: ChannelOptions = {}): Channel {
  const { tls, messageBytes_max = MESSAGE_BYTES_MAX, leavesSilent = false, turns } = options;
  return new Channel(targetOf(address, tls), messageBytes_max, { leavesSilent, turns });
}

/** The typed client of one service over a channel. */
export function client<S>(channel: Channel, service: ServiceTable<S>): RpcClient<S> {
  const { scheme, authority } = channel.target;
  const callers: Record<string, unknown> = {};
  for (const [key, method] of Object.entries(service.methods) as [string, MethodTable][]) {
    const heads = new CallHeads(scheme, authority, `${service.fullName}/${method.name}`);
    const route: CallRoute = { channel, method, heads };
    callers[key] = method.serverStream ? streaming(route) : unary(route);
  }
  return callers as RpcClient<S>;
}

function unary(route: CallRoute) {
  return (input: unknown, options: CallOptions = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const { timeout_ms = CALL_TIMEOUT_MS } = options;
      const limited = { ...options, timeout_ms };
      new UnaryClientCall(route, input, limited, resolve, reject).start();
    });
}

function streaming(route: CallRoute) {
  return (input: unknown, options: CallOptions = {}): AsyncIterable<unknown> => {
    const call = new StreamClientCall(route, input, options);
    call.start();
    return call;
  };
}
