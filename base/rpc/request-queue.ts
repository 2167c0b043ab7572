import { Fifo } from "@raft2kube/std/fifo.ts";
import type { RpcError } from "./error.ts";

interface Waiting {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(reason: RpcError): void;
}

const DONE: IteratorResult<unknown, undefined> = { done: true, value: undefined };

type QueuedMessage = { readonly request: unknown; readonly bytes: number };

/** The messages of a stream, for its handler or caller to take one by one. */
export class RequestQueue implements AsyncIterableIterator<unknown, undefined> {
  readonly #onTaken: (bytes: number) => void;
  readonly #messages = new Fifo<QueuedMessage>();
  #waiting: Waiting[] = [];
  #ended = false;
  #failure: RpcError | undefined;

  /** `onTaken` is called with the bytes that the handler has taken, or will never take. */
  constructor(onTaken: (bytes: number) => void) {
    this.#onTaken = onTaken;
  }

  push(request: unknown, bytes: number): void {
    const waiting = this.#waiting.shift();
    if (!waiting && !this.#ended) {
      this.#messages.push({ request, bytes });
      return;
    }
    this.#onTaken(bytes);
    waiting?.resolve({ done: false, value: request });
  }

  /** No more requests will come; a failure is reported immediately, or after the queued ones. */
  end(failure?: RpcError, { afterQueued = false } = {}): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#failure = failure;
    if (failure && !afterQueued) this.#drop();
    for (const { resolve, reject } of this.#waiting.splice(0)) {
      if (failure) reject(failure);
      else resolve(DONE);
    }
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    const message = this.#messages.shift();
    if (message) {
      this.#onTaken(message.bytes);
      return Promise.resolve({ done: false, value: message.request });
    }
    if (this.#failure) return Promise.reject(this.#failure);
    if (this.#ended) return Promise.resolve(DONE);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** The handler wants no more: what comes is thrown away. */
  return(): Promise<IteratorResult<unknown, undefined>> {
    this.#ended = true;
    this.#drop();
    for (const { resolve } of this.#waiting.splice(0)) resolve(DONE);
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #drop(): void {
    for (let next = this.#messages.shift(); next; next = this.#messages.shift()) {
      this.#onTaken(next.bytes);
    }
  }
}
