import type { EventEmitter } from "node:events";
import { rm } from "node:fs/promises";
import type { RequestListener } from "node:http";
import type { Socket } from "node:net";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedServiceImplementation,
  type sendUnaryData,
} from "@grpc/grpc-js";
import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  Bidi,
  ClientStream,
  MethodTable,
  ServerStream,
  ServiceTable,
  Unary,
} from "@raft2kube/proto/service.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { RpcError, Status, asRpcError } from "./error.ts";
import {
  CONCURRENT_STREAMS_MAX,
  MESSAGE_BYTES_MAX,
  SHUTDOWN_GRACE_MS,
  SOCKET_PATH_BYTES_MAX,
} from "./limits.ts";
import { sharedPort } from "./shared-port.ts";
import { serviceDefinition } from "./service-definition.ts";

/** What a handler knows of the call it serves. */
export interface Call {
  /** Aborts when the client cancels, its deadline passes, or the connection goes. */
  readonly signal: AbortSignal;
  readonly metadata: Metadata;
  /** When the client gives up, as it said itself. */
  readonly deadline: Date | undefined;
  /** The client's address; empty for Unix sockets. */
  readonly peer: string;
}

type Handler<M> =
  M extends Unary<infer Q, infer R>
    ? (request: Q, call: Call) => Promise<Init<R>> | Init<R>
    : M extends ServerStream<infer Q, infer R>
      ? (request: Q, call: Call) => AsyncIterable<Init<R>>
      : M extends ClientStream<infer Q, infer R>
        ? (requests: AsyncIterable<Q>, call: Call) => Promise<Init<R>>
        : M extends Bidi<infer Q, infer R>
          ? (requests: AsyncIterable<Q>, call: Call) => AsyncIterable<Init<R>>
          : never;

/** An implementation of service `S`; a method left out answers UNIMPLEMENTED, naming itself. */
export type Handlers<S> = { readonly [M in keyof S]?: Handler<S[M]> };

/** A service bound to its handlers, for `serveGrpc`. */
export interface ServedService {
  readonly service: ServiceTable<unknown>;
  readonly handlers: Readonly<Record<string, unknown>>;
}

export function serve<S>(service: ServiceTable<S>, handlers: Handlers<S>): ServedService {
  return { service: service as ServiceTable<unknown>, handlers };
}

/** PEM texts. With `clientCa`, clients must present a certificate that it signed. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly clientCa?: string;
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
      };
  readonly messageBytes_max?: number;
  /** Serves plain HTTP/1.1 on the same address, as etcd does for its metrics and health. */
  readonly http?: RequestListener;
}

export interface RpcServer {
  /** `unix:///path` or `host:port`. */
  readonly address: string;
  /** The TCP port, 0 for a Unix socket. */
  readonly port: number;
  /** Waits for calls under way up to SHUTDOWN_GRACE_MS, then cuts them. */
  close(): Promise<void>;
}

/**
 * Starts a gRPC server; rejects when the address is taken. A stale Unix socket file is replaced.
 */
export async function serveGrpc(options: ServerOptions): Promise<RpcServer> {
  const bytes_max = options.messageBytes_max ?? MESSAGE_BYTES_MAX;
  const server = new Server({
    "grpc.max_receive_message_length": bytes_max,
    "grpc.max_send_message_length": -1,
    "grpc.max_concurrent_streams": CONCURRENT_STREAMS_MAX,
  });
  for (const { service, handlers } of options.services) {
    server.addService(serviceDefinition(service), implementation(service, handlers));
  }
  const { listen } = options;
  if ("path" in listen) {
    requireSocketPath(listen.path);
    await rm(listen.path, { force: true });
  }
  const target = "path" in listen ? `unix://${listen.path}` : `${listen.host}:${listen.port}`;
  const tls = "tls" in listen ? listen.tls : undefined;
  const address = (port: number) => ("path" in listen ? target : `${listen.host}:${port}`);
  if (options.http) {
    const { onHttp2, stop } = injector(server);
    const shared = await sharedPort({ listen, tls, http: options.http, onHttp2 });
    const close = async () => {
      shared.close();
      await shutDown(server);
      stop();
    };
    return { address: address(shared.port), port: shared.port, close };
  }
  const port = await bind(server, target, tls);
  return {
    address: address(port),
    port: "path" in listen ? 0 : port,
    close: () => shutDown(server),
  };
}

/** Connections accepted elsewhere, TLS included, enter the server here. */
function injector(server: Server): { onHttp2: (socket: Socket) => void; stop: () => void } {
  const { injectConnection, drain, destroy } = server.createConnectionInjector(
    ServerCredentials.createInsecure(),
  );
  const stop = () => {
    // Ends the streams that are still open, which destroying alone would wait for.
    drain(0);
    destroy();
  };
  return { onHttp2: (socket) => injectConnection(socket), stop };
}

function requireSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= SOCKET_PATH_BYTES_MAX) return;
  throw new CodedError("SOCKET_PATH", `the path of a Unix socket has ${bytes} bytes: ${path}`, {
    remedy: `choose a shorter directory: the kernel allows ${SOCKET_PATH_BYTES_MAX}`,
  });
}

function bind(server: Server, target: string, tls: ServerTls | undefined): Promise<number> {
  const credentials = tls
    ? ServerCredentials.createSsl(
        tls.clientCa === undefined ? null : Buffer.from(tls.clientCa),
        [{ cert_chain: Buffer.from(tls.cert), private_key: Buffer.from(tls.key) }],
        tls.clientCa !== undefined,
      )
    : ServerCredentials.createInsecure();
  return new Promise((resolve, reject) => {
    server.bindAsync(target, credentials, (error, port) => (error ? reject(error) : resolve(port)));
  });
}

function shutDown(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.forceShutdown(), SHUTDOWN_GRACE_MS);
    server.tryShutdown(() => {
      clearTimeout(cut);
      resolve();
    });
  });
}

type AnyCall =
  | ServerUnaryCall<unknown, unknown>
  | ServerReadableStream<unknown, unknown>
  | ServerWritableStream<unknown, unknown>
  | ServerDuplexStream<unknown, unknown>;

function implementation(
  service: ServiceTable<unknown>,
  handlers: Readonly<Record<string, unknown>>,
): UntypedServiceImplementation {
  const methods: Record<string, UntypedServiceImplementation[string]> = {};
  for (const [key, method] of Object.entries(service.methods) as [string, MethodTable][]) {
    const missing = () => {
      const path = `${service.fullName}/${method.name}`;
      throw new RpcError(Status.UNIMPLEMENTED, `${path} is not implemented`);
    };
    const handler = (handlers[key] ?? missing) as (input: unknown, call: Call) => unknown;
    methods[key] = method.serverStream
      ? (stream: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>) => {
          void runStream(stream, handler, method);
        }
      : (call: AnyCall, done: sendUnaryData<unknown>) => void runUnary(call, handler, done);
  }
  return methods;
}

/** What is asked for is made then: a signal for each call would cost more than most calls. */
function contextOf(call: AnyCall): Call {
  let abort: AbortController | undefined;
  return {
    get signal() {
      if (!abort) {
        const controller = new AbortController();
        abort = controller;
        if (call.cancelled) controller.abort();
        else (call as EventEmitter).on("cancelled", () => controller.abort());
      }
      return abort.signal;
    },
    metadata: call.metadata,
    get deadline() {
      const deadline = call.getDeadline();
      return deadline instanceof Date ? deadline : undefined;
    },
    get peer() {
      return call.getPeer();
    },
  };
}

async function runUnary(
  call: AnyCall,
  handler: (input: unknown, call: Call) => unknown,
  done: sendUnaryData<unknown>,
): Promise<void> {
  try {
    const input = "request" in call ? call.request : (call as AsyncIterable<unknown>);
    done(null, await handler(input, contextOf(call)));
  } catch (thrown) {
    done(failure(thrown));
  }
}

async function runStream(
  stream: ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>,
  handler: (input: unknown, call: Call) => unknown,
  method: MethodTable,
): Promise<void> {
  const context = contextOf(stream);
  try {
    // A handler that leaves its loop over the requests must still be able to send its status.
    const input = method.clientStream
      ? (stream as ServerDuplexStream<unknown, unknown>).iterator({ destroyOnReturn: false })
      : (stream as { request: unknown }).request;
    for await (const response of handler(input, context) as AsyncIterable<unknown>) {
      if (context.signal.aborted) return;
      if (!stream.write(response)) await drained(stream, context.signal);
    }
    stream.end();
  } catch (thrown) {
    // A stream whose call is over has nobody left who listens, and would throw the error back.
    if (stream.listenerCount("error") > 0) stream.emit("error", failure(thrown));
  }
}

function drained(stream: NodeJS.WritableStream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      stream.removeListener("drain", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.on("drain", done);
    signal.addEventListener("abort", done, { once: true });
  });
}

function failure(thrown: unknown): { code: Status; details: string; metadata: Metadata } {
  const error = asRpcError(thrown);
  return { code: error.status, details: error.message, metadata: new Metadata() };
}
