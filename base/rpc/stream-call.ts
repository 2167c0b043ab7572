import type { Http2Stream, StreamListener } from "@raft2kube/h2/stream.ts";
import { Batch, Prepared } from "./batch.ts";
import { RpcError, Status } from "./error.ts";
import { OK_TRAILERS } from "./grpc-answer.ts";
import {
  type CallContext,
  type CallOrigin,
  decodeRequest,
  encodeAnswer,
  GrpcCall,
  holdBytes,
} from "./grpc-call.ts";
import { framed, MESSAGE_HEADER_BYTES, MessageReader } from "./grpc-message.ts";
import type { GrpcRequest } from "./grpc-request.ts";
import {
  STALLED_ANSWERS_TIMEOUT_MS,
  STREAM_ANSWERS_BYTES_MAX,
  STREAM_REQUESTS_BYTES_MAX,
} from "./limits.ts";
import { RequestQueue } from "./request-queue.ts";
import type { Route } from "./routes.ts";

/** A call that streams its requests, its answers, or both. */
export class StreamCall extends GrpcCall implements StreamListener {
  readonly #route: Route;
  readonly #reader: MessageReader;
  readonly #requests: RequestQueue;
  /** Bytes of messages that the handler has not taken, and of the one that is not complete. */
  #queued = 0;
  #held = 0;
  /** Bytes that were received, and not yet given back to the client's window. */
  #owed = 0;

  constructor(
    stream: Http2Stream,
    request: GrpcRequest & { readonly route: Route },
    context: CallContext,
    from: CallOrigin,
  ) {
    super(stream, request, context, from);
    this.#route = request.route;
    this.#reader = new MessageReader(context.messageBytes_max, request.encoding);
    this.#requests = new RequestQueue((bytes) => this.#taken(bytes));
    const { clientStream, serverStream } = request.route.method;
    if (!clientStream) return;
    void this.within(() => (serverStream ? this.#answerAll() : this.#answerOnce()));
  }

  onData(bytes: Buffer): void {
    this.#owed += bytes.length;
    if (this.over) return this.#payBack();
    try {
      for (const message of this.#reader.push(bytes)) {
        const size = message.length + MESSAGE_HEADER_BYTES;
        this.#queued += size;
        this.#requests.push(decodeRequest(this.#route.method, message), size);
      }
      this.#hold(this.#reader.heldBytes);
    } catch (thrown) {
      this.#requests.end(new RpcError(Status.CANCELLED, "the call has failed"));
      this.fail(thrown);
    }
    this.#payBack();
  }

  onEnd(): void {
    if (this.over) return;
    this.#requests.end();
    if (this.#route.method.clientStream) return;
    void this.within(() => this.#answerAll());
  }

  /**
   * The server closes: no more requests are taken. A stream of requests has no end of its own, and
   * would be cut after the time that others have for theirs.
   */
  endRequests(): void {
    if (this.#route.method.clientStream) this.#requests.end();
  }

  protected override release(): void {
    this.#hold(0);
    this.#requests.end(new RpcError(Status.CANCELLED, "context canceled"));
  }

  #taken(bytes: number): void {
    this.#queued -= bytes;
    this.#payBack();
  }

  /** The client may send more, as long as the handler keeps up. */
  #payBack(): void {
    if (this.#queued > STREAM_REQUESTS_BYTES_MAX) return;
    this.stream.consumed(this.#owed);
    this.#owed = 0;
  }

  #hold(bytes: number): void {
    const change = bytes - this.#held;
    this.#held = bytes;
    if (change !== 0) holdBytes(this.context, change);
  }

  async #answerOnce(): Promise<void> {
    try {
      const { handler, method } = this.#route;
      const response = await handler!(this.#requests, this);
      if (this.over) return;
      this.send(encodeAnswer(method, response));
      this.#succeed();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  async #answerAll(): Promise<void> {
    try {
      const { handler, method } = this.#route;
      const input = method.clientStream ? this.#requests : await this.#soleRequest();
      for await (const response of handler!(input, this) as AsyncIterable<unknown>) {
        if (this.over) return;
        const batch = response instanceof Batch;
        if (batch) this.#sendAll(response.responses);
        else this.send(encodeAnswer(method, response));
        // While the client takes its time over a batch, the next one may grow.
        if (this.stream.backlog > (batch ? 0 : STREAM_ANSWERS_BYTES_MAX)) await this.#drained();
      }
      if (!this.over) this.#succeed();
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  /** Several messages leave in as few frames as hold them. */
  #sendAll(responses: readonly unknown[]): void {
    const { method } = this.#route;
    const parts: Buffer[] = [];
    for (const response of responses) {
      if (response instanceof Prepared) {
        parts.push(framed(response.head, response.rest.length), response.rest);
      } else parts.push(encodeAnswer(method, response));
    }
    this.sendHead();
    this.stream.data(Buffer.concat(parts));
  }

  async #soleRequest(): Promise<unknown> {
    const { done, value } = await this.#requests.next();
    if (!done) return value;
    throw new RpcError(Status.INTERNAL, "the call ended without a whole request");
  }

  /**
   * A call that was asked once holds for its answers what it asked for, as a view of the backend:
   * a client that takes none of them loses it. A lasting one (a watch) may wait.
   */
  async #drained(): Promise<void> {
    const { clientStream } = this.#route.method;
    const end = () => this.stream.reset("CANCEL");
    const { clock } = this.context;
    const stalled = clientStream ? undefined : clock.after(STALLED_ANSWERS_TIMEOUT_MS, end);
    await new Promise<void>((resolve) => this.stream.onDrain(resolve));
    stalled?.cancel();
  }

  #succeed(): void {
    this.settle();
    this.sendHead();
    this.stream.fields(OK_TRAILERS, { constant: true, end: true });
  }
}
