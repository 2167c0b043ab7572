import { assert } from "@raft2kube/std/assert.ts";
import { LogEntries } from "./entries.ts";
import type { Entry, LogBase, SnapshotMark } from "./types.ts";

/**
 * The log in memory: the entries after `base`, and three cursors over them. Entries are handed out
 * for writing once, become `persisted` when the writer says so, `committed` when a quorum has
 * them, and are handed out for applying only when they are both.
 */
export class RaftLog {
  readonly #entries: LogEntries;
  /** Writes handed out and not yet acknowledged, oldest first; a truncation lowers `lastIndex`. */
  #writes: { id: number; lastIndex: number }[] = [];
  #nextWrite = 1;
  #handedToWriter: number;
  #handedToApply: number;
  committed: number;
  persisted: number;

  /**
   * A log recovered from disk: everything in it is persisted; `applied` is the state machine's
   * index.
   */
  constructor(base: LogBase, entries: Entry[], committed: number, applied: number) {
    this.#entries = new LogEntries(base, entries);
    const last = base.index + entries.length;
    assert(committed <= last, () => `committed ${committed} is beyond the log's end ${last}`);
    assert(applied >= base.index, `applied ${applied} is before the log's base ${base.index}`);
    assert(applied <= committed, `applied ${applied} is beyond committed ${committed}`);
    // Earlier releases wrote a change without the commit index; that it is here proves as much.
    this.committed = Math.max(committed, this.changeBeforeLast(last));
    this.persisted = last;
    this.#handedToWriter = last;
    this.#handedToApply = applied;
  }

  get base(): LogBase {
    return this.#entries.base;
  }

  get firstIndex(): number {
    return this.#entries.base.index + 1;
  }

  get lastIndex(): number {
    return this.#entries.lastIndex;
  }

  get lastTerm(): number {
    return this.#entries.lastTerm;
  }

  /** The term of an entry, or undefined when it is compacted away or not there yet. */
  term(index: number): number | undefined {
    return this.#entries.term(index);
  }

  entry(index: number): Entry | undefined {
    return this.#entries.entry(index);
  }

  /** Whether there is a change of membership after `after`, up to `upTo`. */
  hasChange(after: number, upTo: number): boolean {
    return this.#entries.hasChange(after, upTo);
  }

  /**
   * The change of membership before the last one up to `index`, 0 for none. It is committed: a
   * leader proposes a change only after it has applied the one before (S11).
   */
  changeBeforeLast(index: number): number {
    return this.#entries.changeBeforeLast(index);
  }

  /** The entries from `from` on, at least one, as many as fit in `bytes_max` of data. */
  slice(from: number, bytes_max: number, upTo = this.lastIndex): Entry[] {
    return this.#entries.slice(from, bytes_max, upTo);
  }

  /** Adds entries at the end: the leader's way. */
  append(entry: Entry): void {
    this.#entries.push(entry);
  }

  /**
   * The follower's way (Raft section 5.3): when `prevIndex` fits, drops entries that conflict, adds
   * what is new and returns the last index now known equal to the leader's; undefined when it
   * does not fit.
   */
  tryAppend(prevIndex: number, prevTerm: number, entries: Entry[]): number | undefined {
    // lab:04 begin try-append
    if (this.term(prevIndex) !== prevTerm) return undefined;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (this.term(entry.index) === entry.term) continue;
      if (entry.index <= this.lastIndex) this.#truncate(entry.index);
      for (let rest = i; rest < entries.length; rest++) this.append(entries[rest]!);
      break;
    }
    return prevIndex + entries.length;
    // lab:04 end
  }

  /** Drops entry `from` and all after it, and moves the cursors back accordingly. */
  #truncate(from: number): void {
    assert(from > this.committed, `entry ${from} is committed (${this.committed}) and conflicts`);
    this.#entries.truncate(from);
    this.persisted = Math.min(this.persisted, from - 1);
    this.#handedToWriter = Math.min(this.#handedToWriter, from - 1);
    for (const write of this.#writes) write.lastIndex = Math.min(write.lastIndex, from - 1);
  }

  /**
   * The largest entry at or below `index` whose term is at most `term`: where logs may still agree,
   * so that a rejected append skips whole terms (Raft section 5.3, end).
   */
  lastIndexWithTermAtMost(index: number, term: number): { index: number; term: number } {
    // lab:04 begin last-index-with-term-at-most
    let at = Math.min(index, this.lastIndex);
    for (; at > this.base.index; at--) {
      const here = this.term(at);
      assert(here !== undefined, `entry ${at} has no term`);
      if (here <= term) return { index: at, term: here };
    }
    return { index: at, term: this.term(at) ?? 0 };
    // lab:04 end
  }

  /** The entries up to `index` are committed; one that is committed already is fine. */
  commitTo(index: number): void {
    if (index <= this.committed) return;
    assert(
      index <= this.lastIndex,
      () => `commit ${index} is beyond the log's end ${this.lastIndex}`,
    );
    this.committed = index;
  }

  get hasUnwritten(): boolean {
    return this.#handedToWriter < this.lastIndex;
  }

  /** Opens a write of everything not yet handed out. */
  takeWrite(): { id: number; entries: Entry[] } {
    const entries = this.#entries.after(this.#handedToWriter);
    this.#handedToWriter = this.lastIndex;
    const id = this.#nextWrite++;
    this.#writes.push({ id, lastIndex: this.lastIndex });
    return { id, entries };
  }

  /** The writer has made write `id` durable; writes end in the order they were taken. */
  writeDone(id: number): void {
    const write = this.#writes.shift();
    assert(write?.id === id, () => `write ${id} ended, expected ${write?.id}`);
    this.persisted = Math.max(this.persisted, write.lastIndex);
  }

  /**
   * Committed and persisted entries not yet handed out for applying, bounded in bytes, up to the
   * first that `held` keeps back.
   */
  takeCommitted(bytes_max: number, held: (entry: Entry) => boolean): Entry[] {
    const upTo = Math.min(this.committed, this.persisted);
    if (this.#handedToApply >= upTo) return [];
    const entries = this.slice(this.#handedToApply + 1, bytes_max, upTo);
    const stop = entries.findIndex(held);
    if (stop >= 0) entries.length = stop;
    this.#handedToApply += entries.length;
    return entries;
  }

  /** Forgets entries up to `index`, whose effects are durable in the state machine. */
  compactTo(index: number): void {
    assert(
      index <= this.#handedToApply,
      () => `compact ${index} beyond applied ${this.#handedToApply}`,
    );
    this.#entries.compactTo(index);
  }

  /** Starts over from a snapshot that replaces everything. */
  restore(mark: SnapshotMark): void {
    this.#entries.restart(mark);
    for (const write of this.#writes) write.lastIndex = Math.min(write.lastIndex, mark.index);
    this.committed = mark.index;
    this.persisted = mark.index;
    this.#handedToWriter = mark.index;
    this.#handedToApply = mark.index;
  }
}
