import type { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { expired, serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { OrderedTree } from "@raft2kube/std/ordered-tree.ts";
import { STORE_WRITES } from "../limits.ts";
import { CacheMetrics, WatchMetrics } from "../metrics/resource-metrics.ts";
import type { Entry } from "../object/entry.ts";
import type { CacheEvent, WatchEncoder } from "./event.ts";
import { Flusher } from "./flusher.ts";
import { History } from "./history.ts";
import { Projection, type Selection, selects } from "./selection.ts";
import { type State, States, walkFrom } from "./states.ts";
import { WATCH_MEMORY_BUDGET, type WatchMemoryBudget } from "./watch-budget.ts";
import { WatchGroups } from "./watch-groups.ts";
import { type Beginning, Watcher } from "./watcher.ts";
import { withRevision } from "./with-revision.ts";

/** A change before the cache knows whether it adds or modifies. */
export type Change =
  | { type: "put"; revision: number; entry: Entry }
  | { type: "delete"; revision: number; key: string };

export interface WatchRequest {
  readonly selection: Selection;
  readonly bookmarks: boolean;
  readonly encoder: WatchEncoder;
}

/**
 * All objects of one kind in memory, the history of their newest changes, and their watchers. It
 * is fed from one store watch (`feed.ts`) and does not depend on the source of changes.
 */
export class WatchCache {
  #state: State = OrderedTree.empty();
  #states = new States(0, this.#state);
  #history = this.#historyFrom(0);
  #revision = 0;
  readonly #groups: WatchGroups;
  readonly #listeners = new Set<(event: CacheEvent) => void>();
  /** Waiters for a later revision of the cache. */
  #waiting = new Set<() => void>();

  readonly #metrics: CacheMetrics;
  readonly #budget: WatchMemoryBudget;
  readonly #watched: WatchMetrics;
  #bytes = 0;
  readonly #stored = new Map<string, number>();
  #over = false;

  constructor(
    clock: Clock,
    metrics = new CacheMetrics(),
    watched = new WatchMetrics(),
    budget = WATCH_MEMORY_BUDGET,
  ) {
    this.#budget = budget;
    this.#metrics = metrics;
    this.#watched = watched;
    this.#groups = new WatchGroups(new Flusher(clock), watched.sizes);
  }

  /** Everything up to this revision is in the cache. */
  get revision(): number {
    return this.#revision;
  }

  get size(): number {
    return this.#state.size;
  }

  /** Bytes of all objects as JSON. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that the objects of each namespace count for in the store; "" has those of none. */
  get stored(): ReadonlyMap<string, number> {
    return this.#stored;
  }

  /** The bytes of the events that are kept for watches. */
  get historyBytes(): number {
    return this.#history.bytes;
  }

  get watchers(): number {
    return this.#groups.watchers;
  }

  /** Counts the watchers that get the events of an object; `name` may not be known yet. */
  watchersOf(namespace: string, name: string): number {
    return this.#groups.watchersOf(namespace, name);
  }

  get eventsSent(): number {
    return this.#groups.eventsSent;
  }

  get(key: string): Entry | undefined {
    return this.#state.get(key);
  }

  /** All objects in order of their keys. */
  list(): readonly Entry[] {
    return this.#state.all();
  }

  /** The current state; it does not change with later events. */
  get state(): State {
    return this.#state;
  }

  /** The state at `revision`; undefined for a future or dropped revision. */
  stateAt(revision: number): State | undefined {
    return revision > this.#revision ? undefined : this.#states.at(revision);
  }

  /** The store dropped its history before `revision`: lists of it are refused here as well. */
  compactedTo(revision: number): void {
    this.#states.forgetBefore(Math.min(revision, this.#revision));
  }

  /**
   * Replaces the state by a complete list. Differences become events, so that listeners and later
   * watchers miss none; existing watchers are expired and must list again.
   */
  reset(listing: readonly Entry[], revision: number): void {
    const entries = listing.toSorted((a, b) => (a.key < b.key ? -1 : 1));
    for (const watcher of [...this.#groups]) watcher.fail(expired("the watch cache was rebuilt"));
    const before = this.#state;
    this.#state = OrderedTree.of(entries);
    this.#history.close();
    this.#history = this.#historyFrom(revision);
    this.#states = new States(revision, this.#state);
    this.#metrics.initializations.add();
    this.#bytes = 0;
    this.#stored.clear();
    for (const entry of entries) {
      this.#count(entry, 1);
      const previous = before.get(entry.key);
      if (previous?.revision !== entry.revision) this.#notify(eventOf(entry, previous));
    }
    for (const entry of before.all()) {
      if (this.#state.get(entry.key)) continue;
      this.#notify({ type: "DELETED", revision, entry, previous: entry });
    }
    this.#moveTo(revision);
  }

  #moveTo(revision: number): void {
    this.#revision = revision;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }

  /** Resolves when the cache gets further than it is, which `signal` ends the wait for. */
  moved(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        signal.removeEventListener("abort", wake);
        this.#waiting.delete(wake);
        resolve();
      };
      signal.addEventListener("abort", wake);
      this.#waiting.add(wake);
    });
  }

  /** Takes one change, later than all before it. */
  apply(change: Change): void {
    // lab:07b begin cache-apply
    const event = this.#apply(change);
    if (event !== undefined) {
      this.#states.push(event.revision, this.#state);
      this.#history.push(event);
      this.#notify(event);
      this.#groups.push(event);
      event.previous?.replaced();
    }
    this.progress(change.revision);
    // lab:07b end
  }

  #apply(change: Change): CacheEvent | undefined {
    if (change.type === "put") {
      const previous = this.#state.get(change.entry.key);
      this.#state = this.#state.set(change.entry);
      if (previous) this.#count(previous, -1);
      this.#count(change.entry, 1);
      this.#metrics.dispatched.add();
      return eventOf(change.entry, previous);
    }
    const previous = this.#state.get(change.key);
    if (previous === undefined) return undefined;
    this.#state = this.#state.delete(change.key);
    this.#count(previous, -1);
    this.#metrics.dispatched.add();
    const entry = withRevision(previous, change.revision);
    return { type: "DELETED", revision: change.revision, entry, previous };
  }

  #count({ namespace, body }: Entry, sign: 1 | -1): void {
    this.#bytes += sign * body.length;
    const bytes = sign * Math.max(body.length, STORE_WRITES.object_bytes);
    const stored = (this.#stored.get(namespace) ?? 0) + bytes;
    if (stored === 0) this.#stored.delete(namespace);
    else this.#stored.set(namespace, stored);
  }

  /** A history whose objects no past state keeps longer than it does itself. */
  #historyFrom(revision: number): History {
    return new History(revision, (floor) => this.#states.forgetBefore(floor));
  }

  #notify(event: CacheEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  /** The store says that nothing up to `revision` is missing here. */
  progress(revision: number): void {
    if (revision > this.#revision) this.#moveTo(revision);
  }

  /**
   * Sends every watcher that asked for them the revision it has reached without missing anything.
   */
  sendBookmarks(): void {
    this.#groups.sendBookmark(this.#revision);
  }

  /** Watches the changes after `revision`; throws 410 when they are no longer all held. */
  watchFrom(request: WatchRequest, revision: number): Watcher {
    // lab:07b begin watch-from
    if (revision < this.#history.floor) {
      throw expired(`too old resource version: ${revision} (${this.#history.floor})`);
    }
    const events = this.#history.read(revision, this.#revision);
    const later = seenBy(request.selection, events);
    return this.#open(request, revision, later);
    // lab:07b end
  }

  /**
   * Watches from now on, the objects there are first as ADDED; then, if asked, the bookmark that
   * ends them.
   */
  watchAll(request: WatchRequest, markEnd: boolean): Watcher {
    // lab:07b begin watch-all
    const revision = this.#revision;
    const entries = selected(this.#state, request.selection);
    return this.#open(request, revision, asAdded(entries, markEnd ? revision : undefined));
    // lab:07b end
  }

  /** Watches from after `revision`, at which `entries` were listed elsewhere. */
  watchListed(request: WatchRequest, entries: readonly Entry[], revision: number): Watcher {
    const listed = asAdded(entries, revision);
    const { floor } = this.#history;
    if (revision < floor) {
      const watcher = this.#open(request, revision, listed);
      watcher.fail(expired(`too old resource version: ${revision} (${floor})`));
      return watcher;
    }
    const events = this.#history.read(revision, this.#revision);
    return this.#open(request, revision, concat(listed, seenBy(request.selection, events)));
  }

  /** Returns a watch that has an error as its only event. */
  watchFailed(request: WatchRequest, error: ApiError): Watcher {
    const watcher = this.#open(request, this.#revision, []);
    watcher.fail(error);
    return watcher;
  }

  /** Throws 503 once the cache has ended. */
  #open(request: WatchRequest, revision: number, initial: Iterable<Beginning>): Watcher {
    if (this.#over) throw serviceUnavailable("the watched resource changed; try again");
    const { selection, encoder, bookmarks } = request;
    // Events up to now are part of the initial items, whenever those are read.
    const start = Math.max(revision, this.#revision);
    const metrics = { cache: this.#metrics, sizes: this.#watched.sizes };
    const budget = this.#budget;
    const watcher = new Watcher({ encoder, bookmarks, start, initial, metrics, budget });
    watcher.onEnd(this.#groups.join(selection, encoder, watcher));
    return watcher;
  }

  /** Calls `listener` for each object there is, then for each change; returns how to stop. */
  subscribe(listener: (event: CacheEvent) => void): () => void {
    for (const entry of this.#state.all()) listener(eventOf(entry, undefined));
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends the cache: it is not read afterwards. */
  close(): void {
    this.#history.close();
  }

  /** Ends every watch for good: nothing feeds the cache any more, and none is opened. */
  end(): void {
    this.#over = true;
    this.closeWatchers();
  }

  /** Ends every watch; clients open new ones elsewhere. */
  closeWatchers(): void {
    for (const watcher of [...this.#groups]) watcher.close();
  }
}

/** Objects of a state that a beginning watch has at a time while it chooses among all. */
const WALKED_AT_A_TIME = 256;

/** Yields the objects of a state that a selection picks, in order, and undefined for each other. */
function* selected(state: State, selection: Selection): Generator<Entry | undefined> {
  let next: string | undefined = selection.prefix;
  while (next !== undefined) {
    const entries: Entry[] = [];
    walkFrom(state, next, selection.prefix, (entry) => {
      return entries.push(entry) < WALKED_AT_A_TIME;
    });
    for (const entry of entries) yield selects(selection, entry) ? entry : undefined;
    next = entries.length < WALKED_AT_A_TIME ? undefined : `${entries.at(-1)!.key}\0`;
  }
}

/** Yields the items that a selection sees of events, and undefined for each that it does not. */
function* seenBy(selection: Selection, events: Iterable<CacheEvent>): Generator<Beginning> {
  for (const event of events) yield new Projection(event).seenBy(selection);
}

/**
 * Objects as the beginning of a watch; with `end`, the bookmark that closes them. All are chosen
 * before the first is sent, so that a client that does not read keeps only those that it is sent.
 */
function* asAdded(
  entries: Iterable<Entry | undefined>,
  end: number | undefined,
): Generator<Beginning> {
  const chosen: Entry[] = [];
  for (const entry of entries) {
    if (entry !== undefined) chosen.push(entry);
    yield undefined;
  }
  for (const entry of chosen) yield { type: "ADDED", revision: entry.revision, entry };
  if (end !== undefined) yield { type: "BOOKMARK", revision: end, initialEventsEnd: true };
}

function* concat<T>(first: Iterable<T>, second: Iterable<T>): Generator<T> {
  yield* first;
  yield* second;
}

function eventOf(entry: Entry, previous: Entry | undefined): CacheEvent {
  const type = previous === undefined ? "ADDED" : "MODIFIED";
  return { type, revision: entry.revision, entry, previous };
}
