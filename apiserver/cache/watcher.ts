import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Histogram } from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { WATCHER_QUEUE_BYTES_MAX, WATCHER_QUEUE_EVENTS_MAX } from "../limits.ts";
import type { CacheMetrics } from "../metrics/resource-metrics.ts";
import { Chunk } from "./chunk.ts";
import type { WatchEncoder, WatchItem } from "./event.ts";
import { type Lagging, WATCH_MEMORY_BUDGET, type WatchMemoryBudget } from "./watch-budget.ts";

const log = logger("apiserver");

/** The error of a watch whose encoding cannot represent an object. */
export const UNSHOWN = "an object cannot be shown in the form that was asked for";

/** The receiver of a watcher's bytes. */
export interface WatchReader {
  /** Returns false when it accepts no more until it calls `resume()`. */
  write(bytes: Buffer): boolean;
  /** No more will come. `whole` is false when something could not be handed over. */
  end(whole: boolean): void;
}

export interface WatcherInit {
  readonly encoder: WatchEncoder;
  readonly bookmarks: boolean;
  /** Events up to this revision are known to the client, or among the initial ones. */
  readonly start: number;
  /** Events sent before all later ones. It may throw an `ApiError`, which ends the watch. */
  readonly initial: Iterable<Beginning>;
  readonly metrics: { readonly cache: CacheMetrics; readonly sizes: Histogram };
  /** Counts the bytes that wait for readers; by default the process's. */
  readonly budget?: WatchMemoryBudget;
}

/** An initial item, or undefined for a step that made none. */
export type Beginning = WatchItem | undefined;

/** Bytes of initial items handed over at a time. */
const INITIAL_SLICE_BYTES = 64 * 1024;

/**
 * Waiting bytes handed over at a time: about what a stream accepts before it reports that it is
 * full. Waiting chunks are shared by all watchers of a channel; joined in full they would be copies
 * for each.
 */
const SLICE_BYTES = 16 * 1024;

/**
 * - `unread`: it has no reader yet; chunks wait.
 * - `flowing`: the reader takes what comes; nothing waits but initial items.
 * - `blocked`: the reader is full, or the initial items take their next turn; chunks wait until it
 *   resumes.
 * - `ending`: no event is taken any more; what waits goes to the reader, and then its end.
 * - `over`: the reader got its end.
 */
type WatcherState = "unread" | "flowing" | "blocked" | "ending" | "over";

/**
 * One client's view of a cache. The initial items are made as the reader takes them; what comes
 * after them waits here when the reader does not read, and when too much waits the watcher ends.
 */
export class Watcher implements Lagging {
  /** The user that the watch was opened for; "" within the server. */
  owner = "";
  readonly bookmarks: boolean;
  readonly start: number;
  readonly #encoder: WatchEncoder;
  #initial: Iterator<Beginning> | undefined;
  #state: WatcherState = "unread";
  /** The watch's reader: undefined until `attach`; never in the states `flowing` and `blocked`. */
  #reader: WatchReader | undefined;
  /** Chunks that wait, the oldest first, with their bytes and events. */
  #queue: Chunk[] = [];
  #queuedBytes = 0;
  #queuedEvents = 0;
  #sent = 0;
  #leave: () => void = () => undefined;
  #listed: () => void = () => undefined;
  /** The initial items take their next turn; then `resume` goes on, unless the reader is full. */
  #isPaused = false;
  #isFull = false;
  /** The chunk that the reader was given last, until it takes more. */
  #unread: Chunk | undefined;
  /** Bytes of objects that were replaced since, and may be among the initial items still. */
  #replacedBytes = 0;
  readonly #metrics: WatcherInit["metrics"];
  readonly #budget: WatchMemoryBudget;

  constructor(init: WatcherInit) {
    this.#encoder = init.encoder;
    this.bookmarks = init.bookmarks;
    this.start = init.start;
    this.#initial = init.initial[Symbol.iterator]();
    this.#metrics = init.metrics;
    this.#budget = init.budget ?? WATCH_MEMORY_BUDGET;
  }

  get waiting(): number {
    return this.#queuedBytes + this.#replacedBytes + (this.#unread?.bytes.length ?? 0);
  }

  get isBeginning(): boolean {
    return this.#initial !== undefined;
  }

  /** Events that the reader was given, or that wait for it. */
  get sent(): number {
    return this.#sent;
  }

  get contentType(): string {
    return this.#encoder.contentType;
  }

  /** Called once, by the cache: `leave` removes this watcher from it. */
  onEnd(leave: () => void): void {
    this.#leave = leave;
  }

  /** Calls `listed` once the reader has been given the initial items. */
  onListed(listed: () => void): void {
    this.#listed = listed;
  }

  /** Hands over what waits, and then what comes, until the reader or the cache ends it. */
  attach(reader: WatchReader): void {
    assert(this.#reader === undefined, "a watcher has one reader");
    const { opening } = this.#encoder;
    this.#reader = opening === undefined ? reader : withOpening(reader, opening);
    this.resume();
  }

  /** The reader can take more. */
  resume(): void {
    this.#isFull = false;
    if (this.#unread !== undefined) this.#budget.release(this, [this.#unread]);
    this.#unread = undefined;
    if (this.#isPaused) return;
    if (this.#state === "unread" || this.#state === "blocked") this.#state = "flowing";
    let takes = true;
    while (takes && this.#state !== "over") {
      const chunk = timed("watch: first objects", () => this.#next());
      if (chunk === undefined) {
        if (this.#isPaused) return;
        if (this.#state === "ending") this.#sendEnd(true);
        return;
      }
      takes = this.#give(chunk);
    }
  }

  /** Returns false when the reader can take no more: what it was given counts until it does. */
  #give(chunk: Chunk): boolean {
    if (this.#reader!.write(chunk.bytes)) return true;
    this.#isFull = true;
    if (this.#state === "flowing") this.#state = "blocked";
    if (this.#state === "over") return false;
    this.#unread = chunk;
    if (!this.#hasEnded) this.#budget.hold(this, chunk);
    return false;
  }

  /** The next bytes: initial items first. */
  #next(): Chunk | undefined {
    if (this.#isPaused) return undefined;
    const initial = this.#nextInitial();
    if (initial !== undefined) return new Chunk(initial, 0);
    if (this.#isPaused) return undefined;
    const taken = this.#takeSlice();
    if (taken.length <= 1) return taken[0];
    return new Chunk(Buffer.concat(taken.map(({ bytes }) => bytes)), 0);
  }

  /** Takes the oldest chunks, up to SLICE_BYTES and at least one. */
  #takeSlice(): Chunk[] {
    let size = 0;
    let count = 0;
    for (const { bytes, events } of this.#queue) {
      if (count > 0 && size + bytes.length > SLICE_BYTES) break;
      size += bytes.length;
      count++;
      this.#queuedEvents -= events;
    }
    this.#queuedBytes -= size;
    const taken = this.#queue.splice(0, count);
    this.#budget.release(this, taken);
    return taken;
  }

  #nextInitial(): Buffer | undefined {
    const parts: Buffer[] = [];
    let size = 0;
    const slices = new Slices(systemClock(), this.owner);
    while (this.#initial) {
      if (slices.due) {
        void this.#pause(slices);
        break;
      }
      if (size >= INITIAL_SLICE_BYTES) break;
      const { done, value } = this.#step(this.#initial);
      if (done) {
        this.#initial = undefined;
        this.#replacedBytes = 0;
        this.#listed();
        break;
      }
      if (value === undefined) continue;
      const bytes = this.#encoded(value);
      this.#sent++;
      if (value.type !== "BOOKMARK") this.#metrics.cache.initial.add();
      this.#metrics.sizes.observe(bytes.length);
      parts.push(bytes);
      size += bytes.length;
    }
    return parts.length === 0 ? undefined : Buffer.concat(parts, size);
  }

  /** The events that are read for it may be gone by now, which ends the watch. */
  #step(initial: Iterator<Beginning>): IteratorResult<Beginning> {
    try {
      return initial.next();
    } catch (thrown) {
      if (!(thrown instanceof ApiError)) throw thrown;
      this.#initial = undefined;
      this.#queue = [];
      this.#end();
      return { value: { type: "ERROR", status: thrown.status } };
    }
  }

  /** Lets others take their turn before the next initial items. */
  async #pause(slices: Slices): Promise<void> {
    this.#isPaused = true;
    if (this.#state === "flowing") this.#state = "blocked";
    await slices.pause();
    this.#isPaused = false;
    if (!this.#isFull) this.resume();
  }

  /** An object that this form cannot show ends the watch in its place. */
  #encoded(item: WatchItem): Buffer {
    try {
      return this.#encoder.encode(item);
    } catch (thrown) {
      const { id: form } = this.#encoder;
      log.error("an object could not be encoded", { form, reason: messageOf(thrown) });
      this.#initial = undefined;
      this.#queue = [];
      this.#end();
      return this.#complaint(internal(UNSHOWN));
    }
  }

  #complaint({ status }: ApiError): Buffer {
    return this.#encoder.encode({ type: "ERROR", status });
  }

  /**
   * Gives a chunk to a reader that takes more; else the chunk is kept (`Chunk.keep`) and waits.
   * With more than WATCHER_QUEUE_EVENTS_MAX waiting events, or with more than
   * WATCHER_QUEUE_BYTES_MAX in several chunks, the watch is terminated. Objects that its initial
   * items keep in memory, and the events replaced, count as well. Called in order of revision.
   */
  deliver(chunk: Chunk): void {
    // lab:07b begin deliver
    if (this.#hasEnded || chunk.events === 0) return;
    this.#sent += chunk.events;
    if (this.#state === "flowing") return void this.#give(chunk);
    chunk.keep();
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.bytes.length;
    this.#queuedEvents += chunk.events;
    if (this.isBeginning) this.#replacedBytes += chunk.replaced;
    const { length } = this.#queue;
    const tooMuch =
      this.#queuedEvents > WATCHER_QUEUE_EVENTS_MAX ||
      (this.waiting > WATCHER_QUEUE_BYTES_MAX && length > 1);
    if (tooMuch) this.#terminate();
    // lab:07b end
    if (!this.#hasEnded && this.#queue.at(-1) === chunk) this.#budget.hold(this, chunk);
  }

  giveUp(): void {
    this.#terminate();
  }

  /** The reader does not read. */
  #terminate(): void {
    this.#metrics.cache.terminated.add();
    this.close();
  }

  /** Ends the watch with an error; on an expired one the client lists again. */
  fail(error: ApiError): void {
    if (this.#hasEnded) return;
    this.deliver(new Chunk(this.#complaint(error), 1));
    this.close();
  }

  /** Ends the watch: immediately for a ready reader, else by closing its connection. */
  close(): void {
    const isFlowing = this.#state === "flowing";
    if (!this.#hasEnded) this.#end();
    // One that ended before it had a reader, and whose reader takes no more, is cut off as well.
    this.#sendEnd(isFlowing);
  }

  get #hasEnded(): boolean {
    return this.#state === "ending" || this.#state === "over";
  }

  #end(): void {
    this.#state = "ending";
    this.#budget.leave(this);
    this.#leave();
  }

  #sendEnd(whole: boolean): void {
    if (this.#reader === undefined || this.#state === "over") return;
    this.#state = "over";
    this.#reader.end(whole);
  }
}

/** Returns a reader whose first bytes pass through `opening`. */
function withOpening(reader: WatchReader, opening: (bytes: Buffer) => Buffer): WatchReader {
  let isOpen = false;
  return {
    write(bytes) {
      const chunk = isOpen ? bytes : opening(bytes);
      isOpen = true;
      return reader.write(chunk);
    },
    end: (whole) => reader.end(whole),
  };
}
