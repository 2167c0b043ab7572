import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  credentials,
  Metadata,
} from "@grpc/grpc-js";
import type { MethodTable, ServiceTable } from "@raft2kube/proto/service.ts";
import type { CallOptions, ChannelOptions, RpcClient } from "../client.ts";
import { asRpcError } from "../error.ts";
import { CALL_TIMEOUT_MS, MESSAGE_BYTES_MAX } from "../limits.ts";
import { serviceDefinition } from "./service-definition.ts";

/** A channel of gRPC's own client for Node. */
interface GrpcJsChannel {
  readonly client: Client;
  close(): void;
}

/**
 * The client that others use, to judge our servers by, with the same face as our own. Opens a
 * channel to `unix:///path`, `http://host:port` or `https://host:port` (with `tls`).
 * Unix channels name themselves `localhost`: a path is not a legal `:authority`.
 */
export function connectGrpcJs(address: string, options: ChannelOptions = {}): GrpcJsChannel {
  const secure = address.startsWith("https://");
  const tls = options.tls ?? {};
  const pem = (text: string | undefined) => (text === undefined ? null : Buffer.from(text));
  const security = secure
    ? credentials.createSsl(pem(tls.ca), pem(tls.key), pem(tls.cert))
    : credentials.createInsecure();
  const target = address.replace(/^https?:\/\//, "");
  const unix = address.startsWith("unix:");
  const client = new Client(target, security, {
    "grpc.max_receive_message_length": options.messageBytes_max ?? MESSAGE_BYTES_MAX,
    "grpc.max_send_message_length": -1,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 3_000,
    ...(unix ? { "grpc.default_authority": "localhost" } : {}),
    ...(tls.serverName === undefined ? {} : { "grpc.ssl_target_name_override": tls.serverName }),
  });
  return { client, close: () => client.close() };
}

/** The typed client of one service over a channel. */
export function grpcJsClient<S>(channel: GrpcJsChannel, service: ServiceTable<S>): RpcClient<S> {
  const definition = serviceDefinition(service);
  const callers: Record<string, unknown> = {};
  for (const [key, method] of Object.entries(service.methods) as [string, MethodTable][]) {
    const { path, requestSerialize, responseDeserialize } = definition[key]!;
    const wire = { path, requestSerialize, responseDeserialize };
    callers[key] = method.serverStream
      ? streaming(channel, method, wire)
      : unary(channel, method, wire);
  }
  return callers as RpcClient<S>;
}

interface Wire {
  path: string;
  requestSerialize: (value: never) => Buffer;
  responseDeserialize: (bytes: Buffer) => unknown;
}

type Cancellable = { cancel(): void };

function metadataOf(options: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  return metadata;
}

function cancelOn(signal: AbortSignal | undefined, call: Cancellable): () => void {
  const cancel = () => call.cancel();
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  return () => signal?.removeEventListener("abort", cancel);
}

function unary(channel: GrpcJsChannel, method: MethodTable, wire: Wire) {
  return (input: unknown, options: CallOptions = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = wire;
      const metadata = metadataOf(options);
      const callOptions = { deadline: Date.now() + (options.timeout_ms ?? CALL_TIMEOUT_MS) };
      const done = (error: unknown, response: unknown) => {
        release();
        if (error) reject(asRpcError(error));
        else resolve(response);
      };
      const call = method.clientStream
        ? channel.client.makeClientStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            metadata,
            callOptions,
            done,
          )
        : channel.client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            input as never,
            metadata,
            callOptions,
            done,
          );
      const release = cancelOn(options.signal, call);
      if (method.clientStream) {
        void pump(input as AsyncIterable<unknown>, call as ClientWritableStream<unknown>);
      }
    });
}

function streaming(channel: GrpcJsChannel, method: MethodTable, wire: Wire) {
  return (input: unknown, options: CallOptions = {}): AsyncIterable<unknown> => {
    const { path, requestSerialize, responseDeserialize } = wire;
    const metadata = metadataOf(options);
    const { timeout_ms } = options;
    const callOptions = timeout_ms === undefined ? {} : { deadline: Date.now() + timeout_ms };
    const call = method.clientStream
      ? channel.client.makeBidiStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          metadata,
          callOptions,
        )
      : channel.client.makeServerStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          input as never,
          metadata,
          callOptions,
        );
    const release = cancelOn(options.signal, call);
    if (method.clientStream) {
      const requests = input as AsyncIterable<unknown>;
      void pump(requests, call as ClientDuplexStream<unknown, unknown>);
    }
    return responses(call as ClientReadableStream<unknown>, release);
  };
}

async function* responses(call: ClientReadableStream<unknown>, release: () => void) {
  try {
    yield* call;
  } catch (thrown) {
    throw asRpcError(thrown);
  } finally {
    release();
    // An iteration given up by its reader must not raise the cancellation as an unheard error.
    call.on("error", () => undefined);
    call.cancel();
  }
}

async function pump(requests: AsyncIterable<unknown>, call: ClientWritableStream<unknown>) {
  try {
    for await (const request of requests) {
      if (call.destroyed) return;
      if (!call.write(request)) {
        await new Promise<void>((resolve) => {
          call.once("drain", resolve);
          call.once("close", resolve);
        });
      }
    }
    call.end();
  } catch (thrown) {
    call.destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}
