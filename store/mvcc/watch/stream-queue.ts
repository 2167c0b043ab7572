import type { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { STREAM_QUEUE_BYTES_MAX, STREAM_QUEUE_RESPONSES_MAX } from "../../limits.ts";

interface Reader {
  resolve: (response: WatchResponse | undefined) => void;
  reject: (reason: EtcdError) => void;
}

/**
 * What one watch stream has to send and its reader has not taken. Events are refused when it is
 * full: their watchers fall behind and catch up when there is room. Answers to the reader's own
 * requests always fit: it can have only so many.
 */
export class WatchStreamQueue {
  #responses: WatchResponse[] = [];
  #head = 0;
  #bytes = 0;
  #sizes: number[] = [];
  #reader: Reader | undefined;
  #ended = false;
  #reason: EtcdError | undefined;
  #waiters: (() => void)[] = [];
  /** Progress was asked for and not yet answered, as some watch is behind. */
  progressWanted = false;

  get ended(): boolean {
    return this.#ended;
  }

  get full(): boolean {
    return (
      this.#bytes >= STREAM_QUEUE_BYTES_MAX ||
      this.#responses.length - this.#head >= STREAM_QUEUE_RESPONSES_MAX
    );
  }

  push(response: WatchResponse, bytes: number): void {
    if (this.#ended) return;
    const reader = this.#reader;
    if (reader) {
      this.#reader = undefined;
      reader.resolve(response);
      return;
    }
    this.#responses.push(response);
    this.#sizes.push(bytes);
    this.#bytes += bytes;
  }

  /**
   * The next response; undefined once the stream has ended. Rejects when it ended with a reason.
   */
  next(): Promise<WatchResponse | undefined> {
    const response = this.#responses[this.#head];
    if (response) {
      this.#bytes -= this.#sizes[this.#head]!;
      this.#head++;
      this.#trim();
      if (this.#waiters.length > 0 && this.#halfEmpty) this.#wake();
      return Promise.resolve(response);
    }
    if (this.#reason) return Promise.reject(this.#reason);
    if (this.#ended) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => (this.#reader = { resolve, reject }));
  }

  /** Resolves when there is room for a good deal more, or the stream has ended. */
  room(): Promise<void> {
    if (this.#ended || !this.full) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  get #halfEmpty(): boolean {
    const responses = this.#responses.length - this.#head;
    return (
      this.#bytes <= STREAM_QUEUE_BYTES_MAX / 2 && responses <= STREAM_QUEUE_RESPONSES_MAX / 2
    );
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #trim(): void {
    if (this.#head < 64 || this.#head * 2 < this.#responses.length) return;
    this.#responses = this.#responses.slice(this.#head);
    this.#sizes = this.#sizes.slice(this.#head);
    this.#head = 0;
  }

  /** Nothing more comes; what is queued is dropped. */
  end(reason?: EtcdError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    this.#responses = [];
    this.#sizes = [];
    this.#head = 0;
    this.#bytes = 0;
    if (reason) this.#reader?.reject(reason);
    else this.#reader?.resolve(undefined);
    this.#reader = undefined;
    this.#wake();
  }
}
