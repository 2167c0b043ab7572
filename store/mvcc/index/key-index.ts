import { OrderedMap } from "@raft2kube/std/ordered-map.ts";
import type { KeyRange } from "../../structures/key-range.ts";
import { KeyHistory, type KeyPoint } from "./key-history.ts";

/**
 * The index entry of a key. A key that was written once, as the first change of a transaction, has
 * that revision alone: most keys of a large store do, and a history takes 160 bytes more.
 */
export type IndexEntry = number | KeyHistory;

/** Every key with its revisions, in memory: what exists at a revision, and where its record is. */
export class KeyIndex {
  readonly #keys = new OrderedMap<IndexEntry>();
  /** Keys whose last revision left is a tombstone. */
  #deleted = 0;

  /** Keys with any revision left, deleted ones included. */
  get size(): number {
    return this.#keys.size;
  }

  /** Keys that exist now. */
  get live(): number {
    return this.#keys.size - this.#deleted;
  }

  get(key: string, at: number): KeyPoint | undefined {
    return pointOf(this.#keys.get(key), at);
  }

  put(key: string, main: number, sub: number): KeyPoint {
    const history = this.#history(key);
    if (history) {
      if (!history.alive) this.#deleted--;
      return history.put(main, sub);
    }
    this.#create(key, main, sub);
    return { main, sub, createRevision: main, version: 1 };
  }

  tombstone(key: string, main: number, sub: number): void {
    this.#history(key)!.tombstone(main, sub);
    this.#deleted++;
  }

  #create(key: string, main: number, sub: number): void {
    this.#keys.set(key, sub === 0 ? main : new KeyHistory(main, sub));
  }

  /** The key's history, to add to it. */
  #history(key: string): KeyHistory | undefined {
    const entry = this.#keys.get(key);
    if (typeof entry !== "number") return entry;
    const history = new KeyHistory(entry, 0);
    this.#keys.set(key, history);
    return history;
  }

  /** Calls `visit` for all keys in order, those that are deleted too. */
  each(visit: (key: string, entry: IndexEntry) => void): void {
    this.#keys.visit("", undefined, (key, entry) => {
      visit(key, entry);
      return undefined;
    });
  }

  /** Adds a key after all others. */
  append(key: string, entry: IndexEntry): void {
    this.#keys.append(key, entry);
    if (!isLive(entry)) this.#deleted++;
  }

  /** Takes in a record found in the backend; records come in order of revision. */
  restore(key: string, main: number, sub: number, record: RestoredRecord | "tombstone"): void {
    this.#keys.update(key, (entry) => {
      if (entry !== undefined && !isLive(entry)) this.#deleted--;
      if (record === "tombstone") this.#deleted++;
      if (entry === undefined) return restored(main, sub, record);
      const history = typeof entry === "number" ? new KeyHistory(entry, 0) : entry;
      if (record !== "tombstone") history.put(main, sub);
      else if (history.alive) history.tombstone(main, sub);
      return history;
    });
  }

  /** Calls `visit` for the keys of a range that exist at `at`, in order, until it returns false. */
  visit(range: KeyRange, at: number, visit: (key: string, point: KeyPoint) => boolean | undefined) {
    if (range.single) {
      const point = this.get(range.from, at);
      if (point) visit(range.from, point);
      return;
    }
    this.#keys.visit(range.from, range.to, (key, entry) => {
      const point = pointOf(entry, at);
      return point ? visit(key, point) : undefined;
    });
  }

  /**
   * Compacts up to `keys_max` keys after `after` and returns the last one, or undefined at the
   * end; `removed` is called for each record that is no longer needed.
   */
  compact(
    at: number,
    after: string,
    keys_max: number,
    removed: (main: number, sub: number, tombstone: boolean) => void,
  ): string | undefined {
    const emptied: string[] = [];
    let visited = 0;
    let last: string | undefined;
    this.#keys.visit(after, undefined, (key, entry) => {
      if (key === after && after !== "") return undefined;
      // A key with only its present revision loses nothing.
      if (typeof entry !== "number" && entry.compact(at, removed)) emptied.push(key);
      last = key;
      return ++visited < keys_max;
    });
    for (const key of emptied) this.#keys.delete(key);
    this.#deleted -= emptied.length;
    return visited < keys_max ? undefined : last;
  }
}

const isLive = (entry: IndexEntry): boolean => typeof entry === "number" || entry.alive;

function pointOf(entry: IndexEntry | undefined, at: number): KeyPoint | undefined {
  if (typeof entry !== "number") return entry?.get(at);
  if (entry > at) return undefined;
  return { main: entry, sub: 0, createRevision: entry, version: 1 };
}

/** The first remaining record of a key. Earlier ones are compacted. */
function restored(main: number, sub: number, record: RestoredRecord | "tombstone"): IndexEntry {
  if (record === "tombstone") return KeyHistory.deletedAt(main, sub);
  const { createRevision, version } = record;
  const first = version === 1 && createRevision === main && sub === 0;
  return first ? main : new KeyHistory(main, sub, createRevision, version);
}

type RestoredRecord = { createRevision: number; version: number };
