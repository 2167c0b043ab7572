import type { Http2ClientConnection } from "@raft2kube/h2/client-connection.ts";
import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import type { Http2Stream, StreamListener } from "@raft2kube/h2/stream.ts";
import { traceparentOf } from "@raft2kube/observe/trace/traceparent.ts";
import { activeSpan, type Span } from "@raft2kube/observe/trace/tracer.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import { ownBytes } from "@raft2kube/std/bytes.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { CallHeads, CallTrace } from "./call-head.ts";
import { rpcAttributes, traceEnded } from "./call-span.ts";
import { abortReason, type Verdict, verdictOfHead, verdictOfTrailers } from "./call-status.ts";
import type { Channel, ChannelCall } from "./channel.ts";
import { type Deadline, Deadlines } from "./deadlines.ts";
import { asRpcError, RpcError, Status } from "./error.ts";
import { framed, MESSAGE_HEADER_BYTES, MessageReader, soleMessage } from "./grpc-message.ts";
import { STREAM_ANSWERS_BYTES_MAX } from "./limits.ts";

export interface CallOptions {
  /** Gives up after this. Unary calls default to CALL_TIMEOUT_MS, streams have no limit. */
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** One RPC of a service, over one channel. */
export interface CallRoute {
  readonly channel: Channel;
  readonly method: MethodTable;
  readonly heads: CallHeads;
}

/** Calls under way keep the process alive by their sockets, not by their deadlines. */
const DEADLINES = new Deadlines(systemClock({ unref: true }));
const NO_BYTES = Buffer.alloc(0);

/** One call being made: its request goes out, messages and a verdict come back. */
export abstract class ClientCall implements ChannelCall, StreamListener {
  protected readonly route: CallRoute;
  protected stream: Http2Stream | undefined;
  /** The call was answered, failed or was given up: later events are ignored. */
  protected over = false;
  readonly #input: unknown;
  readonly #options: CallOptions;
  /** The request of a call that has one, encoded before it may have to wait. */
  #request: Buffer | undefined;
  #reader: MessageReader | undefined;
  #headSeen = false;
  #verdict: Verdict;
  #deadline: Deadline | undefined;
  /** The call as a part of a trace; undefined if its caller is no part of a sampled one. */
  #span: Span | undefined;
  /** The caller's part of a trace, for the server. */
  #trace: CallTrace | undefined;
  readonly #onAbort = () => this.cancel();

  constructor(route: CallRoute, input: unknown, options: CallOptions) {
    this.route = route;
    this.#input = input;
    this.#options = options;
  }

  /** Messages of the answer, and the bytes of its body that they and the next start with. */
  protected abstract take(messages: readonly Buffer[], bytes: number): void;
  /** The call is over: well without a reason. */
  protected abstract ended(reason: RpcError | undefined): void;

  /** Sends the call on its way. */
  start(): void {
    const { signal, timeout_ms } = this.#options;
    if (signal?.aborted) return this.cancel();
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (timeout_ms !== undefined) this.#deadline = DEADLINES.add(Math.max(0, timeout_ms), this);
    this.#beginSpan();
    try {
      const { method, channel } = this.route;
      if (!method.clientStream) this.#request = encodeRequest(method, this.#input);
      channel.start(this);
    } catch (thrown) {
      this.fail(asRpcError(thrown));
    }
  }

  begin(connection: Http2ClientConnection): void {
    const { timeout_ms, metadata } = this.#options;
    const { fields, constant } = this.route.heads.head(timeout_ms, metadata, this.#trace);
    this.stream = connection.open(fields, constant, this);
    if (this.#request) this.stream.data(this.#request, true);
    else void this.#pump(this.stream, this.#input as AsyncIterable<unknown>);
    this.#request = undefined;
  }

  cancel(): void {
    this.fail(new RpcError(Status.CANCELLED, "Cancelled on client"));
  }

  /** The deadline has passed. */
  expire(): void {
    const after = `Deadline exceeded after ${this.#options.timeout_ms} ms`;
    this.fail(new RpcError(Status.DEADLINE_EXCEEDED, after));
  }

  fail(reason: RpcError): void {
    if (this.over) return;
    this.#settle(reason);
    if (this.stream) this.stream.reset("CANCEL");
    else this.route.channel.forget(this);
    this.ended(reason);
  }

  onFields(fields: readonly HeaderField[]): void {
    if (this.over) return;
    this.#verdict = this.#headSeen ? verdictOfTrailers(fields) : verdictOfHead(fields);
    this.#headSeen ||= !fields.some(([name, value]) => name === ":status" && value[0] === "1");
    // An answer that is not gRPC's is not read to its end.
    const foreign = this.#verdict instanceof RpcError && !hasStatus(fields);
    if (foreign) this.fail(this.#verdict as RpcError);
  }

  onData(bytes: Buffer): void {
    if (this.over) return this.stream!.consumed(bytes.length);
    const { messageBytes_max } = this.route.channel;
    try {
      const sole = this.#reader ? undefined : soleMessage(bytes, messageBytes_max);
      if (sole) return this.take([copied(sole)], bytes.length);
      this.#reader ??= new MessageReader(messageBytes_max, undefined);
      const messages = this.#reader.push(bytes);
      if (this.#reader.heldBytes === 0) this.#reader = undefined;
      this.take(messages.map(copied), bytes.length);
    } catch (thrown) {
      this.fail(asRpcError(thrown));
    }
  }

  onEnd(): void {
    if (this.over) return;
    const none = "the server ended the call without a status";
    const verdict = this.#verdict ?? new RpcError(Status.INTERNAL, none);
    const reason = verdict === "ok" ? undefined : verdict;
    this.#settle(reason);
    this.ended(reason);
  }

  onAborted(code?: number): void {
    if (this.over) return;
    const reason = abortReason(code);
    this.#settle(reason);
    this.ended(reason);
  }

  #beginSpan(): void {
    const caller = activeSpan();
    if (!caller) return;
    const { name } = this.route.heads;
    if (caller.isSampled) {
      this.#span = caller.child(name, { kind: "client", attributes: rpcAttributes(name) });
    }
    // A root that is not sampled has the ids of all such; its children have those of their caller.
    const isShared = !caller.isSampled && caller.parentId === undefined;
    this.#trace = { traceparent: traceparentOf(this.#span ?? caller), isShared };
  }

  #settle(reason: RpcError | undefined): void {
    this.over = true;
    traceEnded(this.#span, reason);
    this.#deadline?.cancel();
    this.#options.signal?.removeEventListener("abort", this.#onAbort);
    this.#request = undefined;
  }

  async #pump(stream: Http2Stream, requests: AsyncIterable<unknown>): Promise<void> {
    const { method } = this.route;
    try {
      for await (const request of requests) {
        if (this.over) return;
        stream.data(encodeRequest(method, request));
        if (stream.backlog > STREAM_ANSWERS_BYTES_MAX) {
          await new Promise<void>((resolve) => stream.onDrain(resolve));
        }
      }
      if (!this.over) stream.data(NO_BYTES, true);
    } catch (thrown) {
      this.fail(asRpcError(thrown));
    }
  }
}

/**
 * Copies a message: messages are views of received buffers, and each of their fields keeps the
 * whole buffer in memory; Node's pool would keep as much.
 */
function copied(message: Buffer): Buffer {
  return message.buffer.byteLength > 2 * message.length ? ownBytes(message) : message;
}

/** A request as it stands in DATA frames. */
function encodeRequest(method: MethodTable, request: unknown): Buffer {
  return framed(method.request.encode(request as never, MESSAGE_HEADER_BYTES));
}

/** A message of the answer. Throws RpcError. */
export function decodeResponse(method: MethodTable, message: Buffer): unknown {
  try {
    return method.response.decode(message);
  } catch (thrown) {
    const text = `Response message parsing error: ${asRpcError(thrown).message}`;
    throw new RpcError(Status.INTERNAL, text, { cause: thrown });
  }
}

function hasStatus(fields: readonly HeaderField[]): boolean {
  return fields.some(([name]) => name === "grpc-status");
}
