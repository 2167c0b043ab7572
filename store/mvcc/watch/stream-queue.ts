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
  /** No events are added: the reader took it, or another response follows it. */
  sealed: boolean;
  /** Events shared with other watches; undefined when `response.events` has this one's own. */
  run: EventRun | undefined;
  /** Number of events of `run`, from its start, that belong to this response. */
  count: number;
}

/** Bounds of the responses that wait for a stream's reader; beyond them the stream is full. */
export interface StreamLimits {
  readonly bytes_max: number;
  readonly responses_max: number;
  /** Maximum size of a response to which later events are added. */
  readonly mergedBytes_max: number;
  /** Maximum size of a response to a watch that asked for fragments. */
  readonly fragmentBytes_max: number;
}

export const STREAM_LIMITS: StreamLimits = {
  bytes_max: STREAM_QUEUE_BYTES_MAX,
  responses_max: STREAM_QUEUE_RESPONSES_MAX,
  mergedBytes_max: MERGED_EVENTS_BYTES,
  fragmentBytes_max: REQUEST_BYTES_MAX + GRPC_OVERHEAD_BYTES,
};

/** The part of a watch that delays an answer about progress: the first revision not yet sent. */
type Delaying = { readonly nextRevision: number; readonly behind: boolean };

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
  /** Responses before this position are sealed. */
  #sealed = 0;
  #wakeReader: (() => void) | undefined;
  #ended = false;
  #reason: EtcdError | undefined;
  #waiters: (() => void)[] = [];
  /** Ids of watches that compaction ended: in use until the client cancels them, as in etcd. */
  readonly compacted = new Set<bigint>();
  /** The client requested progress, and a watch that lags behind delays the answer. */
  progressWanted = false;
  /**
   * The watches of the stream that may delay an answer about progress. Invariant: has each that
   * does; the others leave when they are looked at.
   */
  readonly delaying = new Set<Delaying>();
  /** The client, as an owner of turns to catch up. */
  readonly owner: string;

  constructor(limits: StreamLimits = STREAM_LIMITS, owner = "") {
    this.#limits = limits;
    this.owner = owner;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get full(): boolean {
    const { bytes_max, responses_max } = this.#limits;
    return this.#bytes >= bytes_max || this.#length >= responses_max;
  }

  /** Number of events in the queued responses. */
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
   * Queues a response with events, to which `extend` may add later ones. `run`: its events are all
   * of that run. Returns undefined after the end of the stream.
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

  /**
   * Queues a response without events. Its revision covers all responses before it, so later events
   * are not added to those.
   */
  push(response: WatchResponse, bytes: number): void {
    if (!this.pushEvents(response, bytes)) return;
    for (; this.#sealed < this.#queued.length; this.#sealed++) {
      this.#queued[this.#sealed]!.sealed = true;
    }
  }

  /**
   * Waits for the next response; undefined once the stream has ended. Rejects with the reason of
   * the end, if it had one.
   */
  async next(): Promise<WatchResponse | undefined> {
    if (!(await this.#some())) return undefined;
    const first = this.#queued[this.#head];
    // `end` dropped it in the meantime.
    if (!first) return this.next();
    this.#bytes -= first.bytes;
    seal(first);
    this.#head++;
    this.#trim();
    if (this.#waiters.length > 0 && this.#halfEmpty) this.#callWaiters();
    return first.response;
  }

  /** Waits for at least one response and takes all; result and errors at the end as of `next`. */
  async take(): Promise<WatchResponse[] | undefined> {
    if (!(await this.#some())) return undefined;
    const taken = this.#head > 0 ? this.#queued.slice(this.#head) : this.#queued;
    if (taken.length === 0) return this.take();
    taken.forEach(seal);
    this.#clear();
    this.#callWaiters();
    return taken.map(({ response }) => response);
  }

  /** Resolves immediately unless the queue is full; then when half of it is free or at the end. */
  untilNotFull(): Promise<void> {
    if (this.#ended || !this.full) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** Ends the stream and drops the queued responses. */
  end(reason?: EtcdError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#reason = reason;
    this.#clear();
    this.#wake();
    this.#callWaiters();
  }

  /** Waits for a response in the queue; false once the stream has ended. */
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
