import { expired } from "../errors/catalog.ts";
import type { Entry } from "./entry.ts";
import type { CacheEvent, WatchItem } from "./event.ts";
import { History } from "./history.ts";
import { selects, type Selection } from "./selection.ts";
import { Watcher } from "./watcher.ts";
import { withRevision } from "./with-revision.ts";

/** A change before the cache knows whether it adds or modifies. */
export type Change =
  | { type: "put"; revision: number; entry: Entry }
  | { type: "delete"; revision: number; key: string };

export interface WatchRequest {
  selection: Selection;
  bookmarks: boolean;
}

/**
 * All objects of one kind in memory, the history of their newest changes, and those who watch. It
 * is fed from one store watch (`feed.ts`) and knows nothing of where changes come from.
 */
export class WatchCache {
  readonly #entries = new Map<string, Entry>();
  #sorted: readonly Entry[] | undefined;
  #history = new History(0);
  #revision = 0;
  readonly #watchers = new Set<Watcher>();
  readonly #listeners = new Set<(event: CacheEvent) => void>();
  /** Who waits for the cache to get further. */
  #waiting: (() => void)[] = [];

  /** Everything up to this revision is in the cache. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#entries.size;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  get(key: string): Entry | undefined {
    return this.#entries.get(key);
  }

  /** All objects in order of their keys. The array is shared: it must not be changed. */
  list(): readonly Entry[] {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    return this.#sorted;
  }

  /**
   * Takes over a whole listing. Changes against what was there become events, so that listeners
   * and later watchers miss nothing; watchers of before are told to begin again.
   */
  reset(entries: readonly Entry[], revision: number): void {
    for (const watcher of [...this.#watchers]) watcher.fail("the watch cache was rebuilt");
    const gone = new Map(this.#entries);
    this.#history = new History(revision);
    for (const entry of entries) {
      gone.delete(entry.key);
      const previous = this.#entries.get(entry.key);
      if (previous?.revision === entry.revision) continue;
      this.#set(entry);
      this.#tell(eventOf(entry.revision, entry, previous));
    }
    for (const entry of gone.values()) {
      this.#unset(entry.key);
      this.#tell({ type: "DELETED", revision, entry, previous: entry, shared: new Map() });
    }
    this.#moveTo(revision);
  }

  #moveTo(revision: number): void {
    this.#revision = revision;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves when the cache gets further than it is, which `signal` ends the wait for. */
  moved(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        resolve();
      };
      signal.addEventListener("abort", wake);
      this.#waiting.push(wake);
    });
  }

  /** Takes one change, later than all before it. */
  apply(change: Change): void {
    const event = this.#apply(change);
    if (event !== undefined) {
      this.#history.push(event);
      this.#tell(event);
      for (const watcher of this.#watchers) watcher.push(event);
    }
    this.progress(change.revision);
  }

  #apply(change: Change): CacheEvent | undefined {
    if (change.type === "put") {
      const previous = this.#entries.get(change.entry.key);
      this.#set(change.entry);
      return eventOf(change.revision, change.entry, previous);
    }
    const previous = this.#entries.get(change.key);
    if (previous === undefined) return undefined;
    this.#unset(change.key);
    const entry = withRevision(previous, change.revision);
    return { type: "DELETED", revision: change.revision, entry, previous, shared: new Map() };
  }

  #set(entry: Entry): void {
    this.#entries.set(entry.key, entry);
    this.#sorted = undefined;
  }

  #unset(key: string): void {
    this.#entries.delete(key);
    this.#sorted = undefined;
  }

  #tell(event: CacheEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The store says that nothing up to `revision` is missing here. */
  progress(revision: number): void {
    if (revision > this.#revision) this.#moveTo(revision);
  }

  /**
   * Sends every watcher that asked for them the revision it has reached without missing anything.
   */
  bookmarkAll(): void {
    for (const watcher of this.#watchers) {
      if (watcher.bookmarks && this.#revision >= watcher.revision) watcher.bookmark(this.#revision);
    }
  }

  /** Watches the changes behind `revision`; throws 410 when they are no longer all held. */
  watchFrom(request: WatchRequest, revision: number): Watcher {
    if (revision < this.#history.floor) {
      throw expired(`too old resource version: ${revision} (${this.#history.floor})`);
    }
    const watcher = this.#open(request, revision, []);
    for (const event of this.#history.after(revision)) watcher.push(event);
    return watcher;
  }

  /**
   * Watches from now on, the objects there are first as ADDED; then, if asked, the bookmark that
   * ends them.
   */
  watchAll(request: WatchRequest, markEnd: boolean): Watcher {
    const initial = this.list()
      .filter((entry) => selects(request.selection, entry))
      .map((entry) => added(entry));
    const watcher = this.#open(request, this.#revision, initial);
    if (markEnd) watcher.bookmark(this.#revision, true);
    return watcher;
  }

  /** Watches behind a listing made elsewhere, at `revision`, of `entries`. */
  watchListed(request: WatchRequest, entries: readonly Entry[], revision: number): Watcher {
    const watcher = this.#open(
      request,
      revision,
      entries.map((entry) => added(entry)),
    );
    watcher.bookmark(revision, true);
    if (revision >= this.#history.floor) {
      for (const event of this.#history.after(revision)) watcher.push(event);
    } else watcher.fail(`too old resource version: ${revision} (${this.#history.floor})`);
    return watcher;
  }

  #open(request: WatchRequest, revision: number, initial: WatchItem[]): Watcher {
    const onClose = (closed: Watcher) => void this.#watchers.delete(closed);
    const watcher = new Watcher({ ...request, revision, initial, onClose });
    this.#watchers.add(watcher);
    return watcher;
  }

  /** Calls `listener` for each object there is, then for each change; returns how to stop. */
  subscribe(listener: (event: CacheEvent) => void): () => void {
    for (const entry of this.#entries.values()) listener(eventOf(entry.revision, entry, undefined));
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends every watch; clients open new ones elsewhere. */
  closeWatchers(): void {
    for (const watcher of [...this.#watchers]) watcher.close();
  }
}

function added(entry: Entry): WatchItem {
  return { type: "ADDED", revision: entry.revision, entry, shared: undefined };
}

function eventOf(revision: number, entry: Entry, previous: Entry | undefined): CacheEvent {
  const type = previous === undefined ? "ADDED" : "MODIFIED";
  return { type, revision, entry, previous, shared: new Map() };
}
