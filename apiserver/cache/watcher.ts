import { assert } from "@raft2kube/std/assert.ts";
import { expired } from "../errors/catalog.ts";
import { WATCHER_QUEUE_EVENTS_MAX } from "../limits.ts";
import type { CacheEvent, WatchItem } from "./event.ts";
import { project, type Selection } from "./selection.ts";

/**
 * One client's view of a cache: iterate it once. It ends when closed, when its cache is reset, or
 * when its reader lags by more than WATCHER_QUEUE_EVENTS_MAX; then the reader gets what was queued.
 */
export class Watcher implements AsyncIterable<WatchItem> {
  readonly selection: Selection;
  readonly bookmarks: boolean;
  #queue: WatchItem[] = [];
  #wake: (() => void) | undefined;
  readonly #end = new AbortController();
  #iterated = false;
  readonly #start: number;
  /** The last revision this watcher has been told of. */
  #revision: number;
  /** The initial objects do not count: they are shared bodies, bounded by the cache itself. */
  readonly #limit: number;
  readonly #onClose: (watcher: Watcher) => void;

  constructor(init: {
    selection: Selection;
    bookmarks: boolean;
    /** Events up to this one are known to the client. */
    revision: number;
    initial: WatchItem[];
    onClose(watcher: Watcher): void;
  }) {
    this.selection = init.selection;
    this.bookmarks = init.bookmarks;
    this.#start = init.revision;
    this.#revision = init.revision;
    this.#queue = init.initial;
    this.#limit = init.initial.length + WATCHER_QUEUE_EVENTS_MAX;
    this.#onClose = init.onClose;
  }

  /** Aborted once the watcher is closed, by whichever side. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  get revision(): number {
    return this.#revision;
  }

  /** Called by the cache for each event, in order of revision. */
  push(event: CacheEvent): void {
    if (this.#end.signal.aborted || event.revision <= this.#start) return;
    this.#revision = event.revision;
    const item = project(this.selection, event);
    if (item) this.#enqueue(item);
  }

  /** Tells the client of a revision at which it has missed nothing. */
  bookmark(revision: number, initialEventsEnd = false): void {
    if (this.#end.signal.aborted) return;
    assert(revision >= this.#revision, `bookmark ${revision} behind ${this.#revision}`);
    this.#revision = revision;
    this.#enqueue({ type: "BOOKMARK", revision, initialEventsEnd });
  }

  /** Ends the watch with an error that tells the client to list again. */
  fail(message: string): void {
    if (this.#end.signal.aborted) return;
    this.#enqueue({ type: "ERROR", status: expired(message).status });
    this.close();
  }

  close(): void {
    if (this.#end.signal.aborted) return;
    this.#end.abort();
    this.#onClose(this);
    this.#wake?.();
  }

  #enqueue(item: WatchItem): void {
    if (this.#queue.length >= this.#limit) return this.close();
    this.#queue.push(item);
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<WatchItem> {
    assert(!this.#iterated, "a watcher is iterated once");
    this.#iterated = true;
    for (;;) {
      const batch = this.#queue;
      this.#queue = [];
      yield* batch;
      if (this.#queue.length > 0) continue;
      if (this.#end.signal.aborted) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }
}
