import { held } from "@raft2kube/observe/held.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { expired } from "../errors/catalog.ts";
import { WATCHER_QUEUE_BYTES_MAX, WATCHER_QUEUE_EVENTS_MAX } from "../limits.ts";
import type { WatchEncoder, WatchItem } from "./event.ts";
import type { Chunk } from "./watch-channel.ts";

/** Who gets a watcher's bytes. */
export interface WatchReader {
  /** False when it can take no more until it calls `resume()`. */
  write(bytes: Buffer): boolean;
  /** No more will come. `whole` is false when something could not be handed over. */
  end(whole: boolean): void;
}

export interface WatcherInit {
  readonly encoder: WatchEncoder;
  readonly bookmarks: boolean;
  /** Events up to this revision are known to the client, or among the initial ones. */
  readonly start: number;
  /** What it is told before anything that happens later. */
  readonly initial: Iterable<WatchItem>;
}

/** Bytes of initial items handed over at a time. */
const INITIAL_SLICE_BYTES = 64 * 1024;

/**
 * One client's view of a cache. The initial items are made as the reader takes them; what comes
 * after them waits here when the reader does not read, and when too much waits the watcher ends.
 */
export class Watcher {
  readonly bookmarks: boolean;
  readonly start: number;
  readonly #encoder: WatchEncoder;
  #initial: Iterator<WatchItem> | undefined;
  #reader: WatchReader | undefined;
  /** The reader takes what comes. */
  #flowing = false;
  #queue: Chunk[] = [];
  #queuedBytes = 0;
  #queuedEvents = 0;
  #ended = false;
  #sent = 0;
  #leave: () => void = () => undefined;

  constructor(init: WatcherInit) {
    this.#encoder = init.encoder;
    this.bookmarks = init.bookmarks;
    this.start = init.start;
    this.#initial = init.initial[Symbol.iterator]();
  }

  /** Events that the reader was given, or that wait for it. */
  get sent(): number {
    return this.#sent;
  }

  get contentType(): string {
    return this.#encoder.contentType;
  }

  /** Called once, by the cache: how to take this watcher out of it. */
  onEnd(leave: () => void): void {
    this.#leave = leave;
  }

  /** Hands over what waits, and then what comes, until the reader or the cache ends it. */
  attach(reader: WatchReader): void {
    assert(this.#reader === undefined, "a watcher has one reader");
    this.#reader = reader;
    this.resume();
  }

  /** The reader can take more. */
  resume(): void {
    const reader = this.#reader!;
    this.#flowing = true;
    while (this.#flowing) {
      const bytes = held("watch: first objects", () => this.#next());
      if (bytes === undefined) {
        if (this.#ended) reader.end(true);
        return;
      }
      this.#flowing = reader.write(bytes);
    }
  }

  /** The next bytes: initial items first. */
  #next(): Buffer | undefined {
    const initial = this.#nextInitial();
    if (initial !== undefined) return initial;
    if (this.#queue.length === 0) return undefined;
    const parts = this.#queue.map(({ bytes }) => bytes);
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#queuedEvents = 0;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  #nextInitial(): Buffer | undefined {
    const parts: Buffer[] = [];
    let size = 0;
    while (this.#initial && size < INITIAL_SLICE_BYTES) {
      const { done, value } = this.#initial.next();
      if (done) {
        this.#initial = undefined;
        break;
      }
      const bytes = this.#encoder.encode(value);
      this.#sent++;
      parts.push(bytes);
      size += bytes.length;
    }
    return parts.length === 0 ? undefined : Buffer.concat(parts, size);
  }

  /** Called by the channel, in order of revision. */
  deliver(chunk: Chunk): void {
    // lab:07 begin deliver
    if (this.#ended || chunk.events === 0) return;
    this.#sent += chunk.events;
    if (this.#flowing) {
      this.#flowing = this.#reader!.write(chunk.bytes);
      return;
    }
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.bytes.length;
    this.#queuedEvents += chunk.events;
    const { length } = this.#queue;
    const tooMuch =
      this.#queuedEvents > WATCHER_QUEUE_EVENTS_MAX ||
      (this.#queuedBytes > WATCHER_QUEUE_BYTES_MAX && length > 1);
    if (tooMuch) this.close();
    // lab:07 end
  }

  /** Ends the watch with an error that tells the client to list again. */
  fail(message: string): void {
    if (this.#ended) return;
    const bytes = this.#encoder.encode({ type: "ERROR", status: expired(message).status });
    this.deliver({ bytes, events: 1 });
    this.close();
  }

  /** No more events. A reader that has room is told at once, one without room is cut off. */
  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#leave();
    if (this.#reader === undefined) return;
    this.#reader.end(this.#flowing);
  }
}
