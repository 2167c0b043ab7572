import { assert } from "@raft2kube/std/assert.ts";
import type { Entry, LogBase } from "./types.ts";

/**
 * The entries of the log that are not cut: an array that starts right after `base`. Entries at or
 * before the base are in a snapshot.
 */
export class LogEntries {
  #base: LogBase;
  #entries: Entry[];
  /** Indexes of the changes of membership among them. */
  #changes: number[];

  constructor(base: LogBase, entries: Entry[]) {
    this.#base = base;
    this.#entries = entries;
    this.#changes = entries.flatMap(({ change, index }) => (change ? [index] : []));
  }

  get base(): LogBase {
    return this.#base;
  }

  get lastIndex(): number {
    return this.#base.index + this.#entries.length;
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }

  /** The term of an entry, or undefined when it is compacted away or not there yet. */
  term(index: number): number | undefined {
    if (index === this.#base.index) return this.#base.term;
    return this.#entries[index - this.#base.index - 1]?.term;
  }

  entry(index: number): Entry | undefined {
    return this.#entries[index - this.#base.index - 1];
  }

  /** Whether there is a change of membership after `after`, up to `upTo`. */
  hasChange(after: number, upTo: number): boolean {
    return this.#changes.some((index) => index > after && index <= upTo);
  }

  /** Index of the change before the last one up to `index`; 0 for none. */
  changeBeforeLast(index: number): number {
    const last = this.#changes.findLastIndex((change) => change <= index);
    return this.#changes[last - 1] ?? 0;
  }

  /** Returns entries `from` through `upTo`: as many as fit in `bytes_max` of data, one at least. */
  slice(from: number, bytes_max: number, upTo: number): Entry[] {
    if (from > upTo) return [];
    const start = from - this.#base.index - 1;
    assert(start >= 0, `entry ${from} is compacted; the log begins at ${this.#base.index + 1}`);
    const end = upTo - this.#base.index;
    let bytes = 0;
    let stop = start;
    while (stop < end) {
      bytes += this.#entries[stop]!.data.length;
      if (bytes > bytes_max && stop > start) break;
      stop++;
    }
    return this.#entries.slice(start, stop);
  }

  /** The entries after `index`. */
  after(index: number): Entry[] {
    return this.#entries.slice(index - this.#base.index);
  }

  push(entry: Entry): void {
    const { lastIndex } = this;
    assert(entry.index === lastIndex + 1, () => `entry ${entry.index} after ${lastIndex}`);
    this.#entries.push(entry);
    if (entry.change) this.#changes.push(entry.index);
  }

  /** Drops entry `from` and all after it. */
  truncate(from: number): void {
    this.#entries.length = from - this.#base.index - 1;
    this.#changes = this.#changes.filter((index) => index < from);
  }

  /** Forgets the entries through `index`, which becomes the base. One already forgotten is fine. */
  compactTo(index: number): void {
    // lab:05 begin compact-to
    if (index <= this.#base.index) return;
    const term = this.term(index);
    assert(term !== undefined, `compact ${index} beyond the log's end ${this.lastIndex}`);
    this.#entries = this.#entries.slice(index - this.#base.index);
    this.#base = { index, term };
    // lab:05 end
    this.#changes = this.#changes.filter((change) => change > index);
  }

  /** Starts over after `base`, without entries. */
  restart(base: LogBase): void {
    // lab:05 begin restart
    this.#base = { index: base.index, term: base.term };
    this.#entries = [];
    // lab:05 end
    this.#changes = [];
  }
}
