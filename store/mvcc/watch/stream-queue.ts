import type { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Event, ResponseHeader, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import {
  GRPC_OVERHEAD_BYTES,
  MERGED_EVENTS_BYTES,
  REQUEST_BYTES_MAX,
  STREAM_QUEUE_BYTES_MAX,
  STREAM_QUEUE_RESPONSES_MAX,
} from "../../limits.ts";
import type { EventRun } from "./event-run.ts";

/** A response that its reader has not taken. */
export interface QueuedResponse {
  readonly response: WatchResponse;
  bytes: number;
  /** Nothing is added to it any more: it was taken, or something stands behind it. */
  sealed: boolean;
  /** Its events are the first `count` of these, while it shares them with other watches. */
  run: EventRun | undefined;
  count: number;
}

/** How much of a stream waits for its reader; beyond it the stream is full. */
export interface StreamLimits {
  readonly bytes_max: number;
  readonly responses_max: number;
  /** One response with events grows up to this. */
  readonly mergedBytes_max: number;
  /** One to a watch that asked for fragments stays below this. */
  readonly fragmentBytes_max: number;
}

export const STREAM_LIMITS: StreamLimits = {
  bytes_max: STREAM_QUEUE_BYTES_MAX,
  responses_max: STREAM_QUEUE_RESPONSES_MAX,
  mergedBytes_max: MERGED_EVENTS_BYTES,
  fragmentBytes_max: REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES,
};

/**
 * Responses of one watch stream that its reader has not taken. Events are refused when it is full:
 * their watchers fall behind and catch up later. Answers to the reader's own requests always fit:
 * their handler awaits `untilNotFull` before the next one.
 */
export class WatchStreamQueue {
  readonly #limits: StreamLimits;
  #queued: QueuedResponse[] = [];
  #head = 0;
  #bytes = 0;
  /** Responses with events before this place take no more. */
  #sealed = 0;
  #wakeReader: (() => void) | undefined;
  #ended = false;
  #reason: EtcdError | undefined;
  #waiters: (() => void)[] = [];
  /** Ids of watches that compaction ended: taken until the client cancels them, as with etcd. */
  readonly compacted = new Set<bigint>();
  /** Progress was asked for and not yet answered, as some watch is behind. */
  progressWanted = false;

  constructor(limits: StreamLimits = STREAM_LIMITS) {
    this.#limits = limits;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get full(): boolean {
    const { bytes_max, responses_max } = this.#limits;
    return this.#bytes >= bytes_max || this.#length >= responses_max;
  }

  /** Events in what is queued. */
  get waitingEvents(): number {
    let count = 0;
    for (let i = this.#head; i < this.#queued.length; i++) {
      const { run, count: shared, response } = this.#queued[i]!;
      count += run ? shared : response.events.length;
    }
    return count;
  }

  get #length(): number {
    return this.#queued.length - this.#head;
  }

  /**
   * Queues a response with events; more may be added to it with `extend`. With a run it begins
   * with all of that.
   */
  pushEvents(response: WatchResponse, bytes: number, run?: EventRun): QueuedResponse | undefined {
    if (this.#ended) return undefined;
    const queued = { response, bytes, sealed: false, run, count: response.events.length };
    this.#queued.push(queued);
    this.#bytes += bytes;
    this.#wake();
    return queued;
  }

  /**
   * Adds later events of the same watch to a response that still waits; false when it cannot be.
   * The events that one turn of the loop applies are sent as one response for each watch.
   */
  extend(queued: QueuedResponse, events: Event[], header: ResponseHeader, bytes: number): boolean {
    if (queued.sealed || queued.bytes + bytes > this.#limits.mergedBytes_max) return false;
    addEvents(queued, events);
    queued.response.header = header;
    queued.bytes += bytes;
    this.#bytes += bytes;
    return true;
  }

  /** Queues anything else. It says how far the stream is, so later events must come behind it. */
  push(response: WatchResponse, bytes: number): void {
    if (!this.pushEvents(response, bytes)) return;
    for (; this.#sealed < this.#queued.length; this.#sealed++) {
      this.#queued[this.#sealed]!.sealed = true;
    }
  }

  /**
   * The next response; undefined once the stream has ended. Rejects when it ended with a reason.
   */
  async next(): Promise<WatchResponse | undefined> {
    if (!(await this.#some())) return undefined;
    const first = this.#queued[this.#head];
    // The stream has ended since there was something.
    if (!first) return this.next();
    this.#bytes -= first.bytes;
    seal(first);
    this.#head++;
    this.#trim();
    if (this.#waiters.length > 0 && this.#halfEmpty) this.#callWaiters();
    return first.response;
  }

  /** All that waits, at least one; undefined once the stream has ended. Rejects as `next`. */
  async take(): Promise<WatchResponse[] | undefined> {
    if (!(await this.#some())) return undefined;
    const taken = this.#head > 0 ? this.#queued.slice(this.#head) : this.#queued;
    if (taken.length === 0) return this.take();
    taken.forEach(seal);
    this.#clear();
    this.#callWaiters();
    return taken.map(({ response }) => response);
  }

  /** Resolves when a good part of the queue is free, or the stream has ended. */
  untilNotFull(): Promise<void> {
    if (this.#ended || !this.full) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Nothing more comes; what is queued is dropped. */
  end(reason?: EtcdError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    this.#clear();
    this.#wake();
    this.#callWaiters();
  }

  /** Waits until there is something; false once the stream has ended. */
  async #some(): Promise<boolean> {
    if (this.#length === 0 && !this.#ended) {
      await new Promise<void>((resolve) => (this.#wakeReader = resolve));
    }
    if (this.#reason) throw this.#reason;
    return this.#length > 0;
  }

  get #halfEmpty(): boolean {
    const { bytes_max, responses_max } = this.#limits;
    return this.#bytes <= bytes_max / 2 && this.#length <= responses_max / 2;
  }

  #wake(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = undefined;
    wake?.();
  }

  #callWaiters(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  #clear(): void {
    this.#queued = [];
    this.#head = 0;
    this.#sealed = 0;
    this.#bytes = 0;
  }

  #trim(): void {
    if (this.#head < 64 || this.#head * 2 < this.#queued.length) return;
    this.#queued = this.#queued.slice(this.#head);
    this.#sealed = Math.max(0, this.#sealed - this.#head);
    this.#head = 0;
  }
}

function addEvents(queued: QueuedResponse, events: readonly Event[]): void {
  const { response, run, count } = queued;
  if (run?.continues(count, events)) {
    queued.count += events.length;
    return;
  }
  if (run) response.events = [...run.first(count)];
  queued.run = undefined;
  for (const event of events) response.events.push(event);
}

/** Completes a response for its reader: no events are added to it after this. */
function seal(queued: QueuedResponse): void {
  queued.sealed = true;
  if (queued.run) queued.response.events = queued.run.first(queued.count);
}
