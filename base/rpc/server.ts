import { rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import type { Duplex } from "node:stream";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  Bidi,
  ClientStream,
  ServerStream,
  ServiceTable,
  Unary,
} from "@raft2kube/proto/service.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import type { Batch } from "./batch.ts";
import type { CallMetadata } from "./call-metadata.ts";
import { Connections, type Traffic } from "./connections.ts";
import { CONCURRENT_STREAMS_MAX, MESSAGE_BYTES_MAX, SOCKET_PATH_BYTES_MAX } from "./limits.ts";
import { listen, type ServerTls } from "./listener.ts";
import { routesOf, type ServedService } from "./routes.ts";

/** The context of a handler's call. */
export interface Call {
  /** Aborts when the client cancels, its deadline passes, or the connection goes. */
  readonly signal: AbortSignal;
  readonly metadata: CallMetadata;
  /** The client's address; empty for Unix sockets. */
  readonly peer: string;
  /**
   * Common name of the client's certificate, which the connection has verified; undefined without
   * one.
   */
  readonly commonName: string | undefined;
}

/** The responses of a streaming handler, in order. */
type Answers<R> = AsyncIterable<Init<R> | Batch<Init<R>>>;

type Handler<M> =
  M extends Unary<infer Q, infer R>
    ? (request: Q, call: Call) => Promise<Init<R>> | Init<R>
    : M extends ServerStream<infer Q, infer R>
      ? (request: Q, call: Call) => Answers<R>
      : M extends ClientStream<infer Q, infer R>
        ? (requests: AsyncIterable<Q>, call: Call) => Promise<Init<R>>
        : M extends Bidi<infer Q, infer R>
          ? (requests: AsyncIterable<Q>, call: Call) => Answers<R>
          : never;

/** An implementation of service `S`; a method left out answers UNIMPLEMENTED, naming itself. */
export type Handlers<S> = { readonly [M in keyof S]?: Handler<S[M]> };

export function serve<S>(service: ServiceTable<S>, handlers: Handlers<S>): ServedService {
  return { service: service as ServiceTable<unknown>, handlers };
}

export interface ServerOptions {
  readonly services: readonly ServedService[];
  readonly listen:
    | { readonly path: string }
    | {
        readonly host: string;
        /** 0 takes a free one. */
        readonly port: number;
        readonly tls?: ServerTls;
        /** Whether connections without TLS are accepted beside those with it. */
        readonly plainToo?: boolean;
      };
  readonly messageBytes_max?: number;
  /** Calls that one connection may have under way. */
  readonly streams_max?: number;
  /** Serves plain HTTP on the same address, as etcd does for its metrics and health. */
  readonly http?: RequestListener;
  /** Bound of a turn's input that several servers share; by default each has its own. */
  readonly turns?: InputTurns;
  /** Traces calls, as parts of their callers' traces. */
  readonly tracer?: Tracer | undefined;
}

export interface RpcServer {
  /** `unix:///path` or `host:port`. */
  readonly address: string;
  /** The TCP port, 0 for a Unix socket. */
  readonly port: number;
  /** Bytes on all connections that spoke HTTP/2, since the start. */
  traffic(): Traffic;
  /** Waits for calls under way up to SHUTDOWN_GRACE_MS, then cuts them. */
  close(): Promise<void>;
}

/**
 * Starts a gRPC server; rejects when the address is taken. A stale Unix socket file is replaced.
 */
export async function serveGrpc(options: ServerOptions): Promise<RpcServer> {
  const { listen: where, http } = options;
  if ("path" in where) {
    requireSocketPath(where.path);
    await rm(where.path, { force: true });
  }
  const clock = systemClock({ unref: true });
  const { turns = new InputTurns(clock) } = options;
  const connections = new Connections({
    clock,
    turns,
    routes: routesOf(options.services),
    messageBytes_max: options.messageBytes_max ?? MESSAGE_BYTES_MAX,
    streams_max: options.streams_max ?? CONCURRENT_STREAMS_MAX,
    http,
    tracer: options.tracer,
  });
  const onHttp2 = (socket: Duplex) => connections.add(socket);
  const tls = "tls" in where ? where.tls : undefined;
  const listener = await listen({ listen: where, tls, onHttp2, http, turns });
  const { port } = listener;
  return {
    address: "path" in where ? `unix://${where.path}` : `${where.host}:${port}`,
    port,
    traffic: () => connections.traffic(),
    async close() {
      listener.close();
      await connections.close();
    },
  };
}

function requireSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  throw new CodedError("SOCKET_PATH", `the path of a Unix socket has ${bytes} bytes: ${path}`, {
    remedy: `choose a shorter directory: the kernel allows ${SOCKET_PATH_BYTES_MAX}`,
  });
}
