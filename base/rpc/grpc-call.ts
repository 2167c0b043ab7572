import type { Unread } from "@raft2kube/h2/sender.ts";
import type { Http2Stream } from "@raft2kube/h2/stream.ts";
import { parseTraceparent, TRACEPARENT } from "@raft2kube/observe/trace/traceparent.ts";
import type { Span, Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { CallMetadata } from "./call-metadata.ts";
import { rpcAttributes, traceEnded } from "./call-span.ts";
import type { Deadline, Deadlines } from "./deadlines.ts";
import { asRpcError, RpcError, Status } from "./error.ts";
import { ANSWER_HEAD, errorHead, errorTrailers } from "./grpc-answer.ts";
import { framed, MESSAGE_HEADER_BYTES } from "./grpc-message.ts";
import type { GrpcRequest } from "./grpc-request.ts";
import { BYTES_OF_MESSAGE, REQUEST_MESSAGES_MIN, UNFINISHED_REQUESTS_BYTES_MAX } from "./limits.ts";

/** The common parts of a server's calls. */
export interface CallContext {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  readonly messageBytes_max: number;
  /** Bytes of requests that are not complete, over all connections. */
  unfinishedBytes: number;
  /** Answers that wait for their clients, over all connections. */
  readonly unread: Unread;
  readonly tracer: Tracer | undefined;
}

/** The client of a call. */
export interface CallOrigin {
  /** The client's address; empty for Unix sockets. */
  readonly peer: string;
  /**
   * Common name of the client's certificate, which the connection has verified; undefined without
   * one.
   */
  readonly commonName: string | undefined;
}

/** One call being served: what its handler may ask of it, and how it ends. */
export abstract class GrpcCall {
  readonly metadata: CallMetadata;
  protected readonly stream: Http2Stream;
  protected readonly context: CallContext;
  protected readonly request: GrpcRequest;
  /** The call was answered, failed, or its client is gone: no more is sent. */
  protected over = false;
  readonly #origin: CallOrigin;
  readonly #span: Span | undefined;
  #deadline: Deadline | undefined;
  #abort: AbortController | undefined;
  #headSent = false;
  #aborted = false;

  constructor(stream: Http2Stream, request: GrpcRequest, context: CallContext, from: CallOrigin) {
    this.stream = stream;
    this.request = request;
    this.context = context;
    this.metadata = request.metadata;
    this.#origin = from;
    this.#span = this.#trace();
    const { timeout_ms } = request;
    if (timeout_ms !== undefined) this.#deadline = context.deadlines.add(timeout_ms, this);
  }

  get peer(): string {
    return this.#origin.peer;
  }

  get commonName(): string | undefined {
    return this.#origin.commonName;
  }

  /**
   * Signal of the call's end, created on demand: one for each call would cost more than most calls.
   */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.#aborted) this.#abort.abort();
    return this.#abort.signal;
  }

  /** The deadline has passed. */
  expire(): void {
    this.fail(new RpcError(Status.DEADLINE_EXCEEDED, "context deadline exceeded"));
    this.#cancelled();
  }

  /** The client went away, or its connection. */
  onAborted(): void {
    if (!this.over) this.settle(new RpcError(Status.CANCELLED, "context canceled"));
    this.#cancelled();
  }

  /** Ends the call with an error. */
  fail(thrown: unknown): void {
    if (this.over) return;
    const error = asRpcError(thrown);
    this.settle(error);
    const fields = this.#headSent ? errorTrailers(error) : errorHead(error);
    this.stream.fields(fields, { end: true });
  }

  protected send(message: Buffer): void {
    this.sendHead();
    this.stream.data(message);
  }

  protected sendHead(): void {
    if (!this.#headSent) this.stream.fields(ANSWER_HEAD, { constant: true });
    this.#headSent = true;
  }

  /** Runs the call's handler as a part of its trace. */
  protected within<T>(work: () => T): T {
    return this.#span ? this.#span.run(work) : work();
  }

  /** A call that is not sampled is no span: handlers do not call on. */
  #trace(): Span | undefined {
    const { tracer } = this.context;
    const { route, metadata } = this.request;
    if (!tracer || !route) return undefined;
    const caller = parseTraceparent(metadata.get(TRACEPARENT)[0]);
    if (caller?.isSampled === false) return undefined;
    const { name } = route;
    const span = tracer.start(name, { kind: "server", attributes: rpcAttributes(name) }, caller);
    return span.isSampled ? span : undefined;
  }

  /** Ends what waits for the call's end. */
  protected settle(reason?: RpcError): void {
    this.over = true;
    traceEnded(this.#span, reason);
    this.#deadline?.cancel();
    this.release();
  }

  /** Gives back what the call holds. */
  protected abstract release(): void;

  #cancelled(): void {
    this.#aborted = true;
    this.#abort?.abort();
  }
}

/**
 * Counts bytes that are held, or no longer held, for requests that are not complete; throws when
 * there are too many.
 */
export function holdBytes(context: CallContext, bytes: number): void {
  context.unfinishedBytes += bytes;
  if (bytes <= 0 || context.unfinishedBytes <= UNFINISHED_REQUESTS_BYTES_MAX) return;
  throw new RpcError(Status.RESOURCE_EXHAUSTED, "grpc: too many unfinished requests");
}

/** An answer as it stands in DATA frames. */
export function encodeAnswer(method: MethodTable, response: unknown): Buffer {
  return framed(method.response.encode(response as never, MESSAGE_HEADER_BYTES));
}

/** Decodes a request's message; errors have gRPC-Go's wording. */
export function decodeRequest(method: MethodTable, message: Buffer): unknown {
  const messages_max = Math.max(REQUEST_MESSAGES_MIN, message.length / BYTES_OF_MESSAGE);
  try {
    return method.request.decode(message, messages_max);
  } catch (thrown) {
    const text = `grpc: error unmarshalling request: ${asRpcError(thrown).message}`;
    throw new RpcError(Status.INTERNAL, text, { cause: thrown });
  }
}
