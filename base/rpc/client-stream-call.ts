import { type CallOptions, type CallRoute, ClientCall, decodeResponse } from "./client-call.ts";
import type { RpcError } from "./error.ts";
import { MESSAGE_HEADER_BYTES } from "./grpc-message.ts";
import { STREAM_REQUESTS_BYTES_MAX } from "./limits.ts";
import { RequestQueue } from "./request-queue.ts";

type Result = Promise<IteratorResult<unknown, undefined>>;

/**
 * A server-streaming call, read one response at a time; a reader that stops ends the call. The
 * server gets back-pressure while too many responses are queued.
 */
export class StreamClientCall extends ClientCall implements AsyncIterableIterator<unknown> {
  readonly #responses = new RequestQueue((bytes) => this.#taken(bytes));
  /** Bytes of waiting messages, and those not yet given back to the server's window. */
  #queued = 0;
  #owed = 0;

  constructor(route: CallRoute, input: unknown, options: CallOptions) {
    super(route, input, options);
  }

  next(): Result {
    return this.#responses.next();
  }

  return(): Result {
    this.cancel();
    return this.#responses.return();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  protected override take(messages: readonly Buffer[], bytes: number): void {
    this.#owed += bytes;
    for (const message of messages) {
      const size = message.length + MESSAGE_HEADER_BYTES;
      this.#queued += size;
      this.#responses.push(decodeResponse(this.route.method, message), size);
    }
    this.#payBack();
  }

  /** Responses received before a failure are still delivered. */
  protected override ended(reason: RpcError | undefined): void {
    this.#responses.end(reason, { afterQueued: true });
  }

  #taken(bytes: number): void {
    this.#queued -= bytes;
    this.#payBack();
  }

  #payBack(): void {
    if (this.#queued > STREAM_REQUESTS_BYTES_MAX) return;
    this.stream?.consumed(this.#owed);
    this.#owed = 0;
  }
}
