import { KeyHistory, type KeyPoint } from "./key-history.ts";
import type { KeyRange } from "./key-range.ts";
import { OrderedMap } from "./ordered-map.ts";

/** Every key with its revisions, in memory: what exists at a revision, and where its record is. */
export class KeyIndex {
  readonly #keys = new OrderedMap<KeyHistory>();

  /** Keys with any revision left, deleted ones included. */
  get size(): number {
    return this.#keys.size;
  }

  get(key: string, at: number): KeyPoint | undefined {
    return this.#keys.get(key)?.get(at);
  }

  put(key: string, main: number, sub: number): KeyPoint {
    const history = this.#keys.get(key);
    if (history) return history.put(main, sub);
    this.#keys.set(key, new KeyHistory(main, sub));
    return { main, sub, createRevision: main, version: 1 };
  }

  tombstone(key: string, main: number, sub: number): void {
    this.#keys.get(key)!.tombstone(main, sub);
  }

  /** Takes in a record found in the backend; records come in order of revision. */
  restore(key: string, main: number, sub: number, record: RestoredRecord | "tombstone"): void {
    const history = this.#keys.get(key);
    if (record === "tombstone") {
      // Its life may be compacted away up to here: nothing before it can be read any more.
      if (history?.alive) history.tombstone(main, sub);
      else if (!history) this.#keys.set(key, KeyHistory.deletedAt(main, sub));
      return;
    }
    if (history) history.put(main, sub);
    else this.#keys.set(key, new KeyHistory(main, sub, record.createRevision, record.version));
  }

  /** Calls `visit` for the keys of a range that exist at `at`, in order, until it returns false. */
  visit(range: KeyRange, at: number, visit: (key: string, point: KeyPoint) => boolean | undefined) {
    if (range.single) {
      const point = this.get(range.from, at);
      if (point) visit(range.from, point);
      return;
    }
    this.#keys.visit(range.from, range.to, (key, history) => {
      const point = history.get(at);
      return point ? visit(key, point) : undefined;
    });
  }

  /**
   * Compacts up to `keys_max` keys after `after` and returns the last one, or undefined at the
   * end; `removed` hears of each record that is no longer needed.
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
    this.#keys.visit(after, undefined, (key, history) => {
      if (key === after && after !== "") return undefined;
      if (history.compact(at, removed)) emptied.push(key);
      last = key;
      return ++visited < keys_max;
    });
    for (const key of emptied) this.#keys.delete(key);
    return visited < keys_max ? undefined : last;
  }
}

interface RestoredRecord {
  createRevision: number;
  version: number;
}
