import type { StreamListener } from "@raft2kube/h2/stream.ts";
import { encodeParts, isLong } from "@raft2kube/proto/parts.ts";
import type { MethodTable } from "@raft2kube/proto/service.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { RpcError, Status } from "./error.ts";
import { OK_TRAILERS } from "./grpc-answer.ts";
import { decodeRequest, encodeAnswer, GrpcCall, holdBytes } from "./grpc-call.ts";
import { framed, MESSAGE_HEADER_BYTES, MessageReader, soleMessage } from "./grpc-message.ts";
import { ANSWER_PARTS, STREAM_ANSWERS_BYTES_MAX, UNREAD_ANSWERS_BYTES_MAX } from "./limits.ts";
import type { Route } from "./routes.ts";

/** A call with one request and one answer. */
export class UnaryCall extends GrpcCall implements StreamListener {
  #message: Buffer | undefined;
  /** Only for a request that does not come in one piece. */
  #reader: MessageReader | undefined;
  #held = 0;
  #late = false;

  onData(bytes: Buffer): void {
    this.stream.consumed(bytes.length);
    if (this.over) return;
    if (!this.#reader && !this.#message) {
      this.#message = soleMessage(bytes, this.context.messageBytes_max);
      if (this.#message) return;
    }
    this.#reader ??= new MessageReader(this.context.messageBytes_max, this.request.encoding);
    try {
      for (const message of this.#reader.push(bytes)) {
        if (this.#message) throw new RpcError(Status.INTERNAL, "a unary call with two requests");
        this.#message = message;
      }
      this.#hold(this.#reader.heldBytes);
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  onEnd(): void {
    if (this.over) return;
    this.#hold(0);
    const { route } = this.request;
    if (this.#message && route) this.#run(route, this.#message);
    else this.fail(new RpcError(Status.INTERNAL, "the call ended without a whole request"));
  }

  /** Called now and then: a request that is not complete the second time is given up. */
  sweep(): void {
    if (this.stream.remoteClosed || this.over) return;
    if (this.#late) this.stream.reset("CANCEL");
    this.#late = true;
  }

  protected override release(): void {
    this.#hold(0);
    this.#message = undefined;
    this.#reader = undefined;
  }

  #hold(bytes: number): void {
    const change = bytes - this.#held;
    this.#held = bytes;
    if (change !== 0) holdBytes(this.context, change);
  }

  #run(route: Route, message: Buffer): void {
    try {
      const request = decodeRequest(route.method, message);
      const answer = this.within(() => route.handler!(request, this));
      if (!(answer instanceof Promise)) return this.#answer(route, answer);
      answer.then(
        (response) => this.#answer(route, response),
        (thrown) => this.fail(thrown),
      );
    } catch (thrown) {
      this.fail(thrown);
    }
  }

  /** A stream of answers has its own bound. */
  #refuseUnread(bytes: number): void {
    const isFull = this.context.unread.bytes > UNREAD_ANSWERS_BYTES_MAX;
    if (!isFull || bytes <= STREAM_ANSWERS_BYTES_MAX) return;
    throw new RpcError(Status.RESOURCE_EXHAUSTED, "grpc: too many answers wait to be read");
  }

  #answer({ method }: Route, response: unknown): void {
    if (this.over) return;
    try {
      if (isLong(method.response, response as object, ANSWER_PARTS)) {
        return void this.#inParts(method, response).catch((thrown) => this.fail(thrown));
      }
      this.#send([encodeAnswer(method, response)]);
    } catch (thrown) {
      // An answer that cannot be encoded, or would wait in vain.
      this.fail(thrown);
    }
  }

  /** A long answer is encoded over several turns of the loop. */
  async #inParts({ response: type }: MethodTable, response: unknown): Promise<void> {
    const parts: Buffer[] = [Buffer.alloc(MESSAGE_HEADER_BYTES)];
    let bytes = 0;
    for (const part of encodeParts(type, response as object, ANSWER_PARTS)) {
      parts.push(part);
      bytes += part.length;
      await nextTurn();
      if (this.over) return;
    }
    framed(parts[0]!, bytes);
    this.#send(parts);
  }

  #send(parts: readonly Buffer[]): void {
    this.#refuseUnread(parts.reduce((sum, { length }) => sum + length, 0));
    for (const part of parts) this.send(part);
    this.settle();
    this.stream.fields(OK_TRAILERS, { constant: true, end: true });
  }
}
