import { expired } from "@raft2kube/apimachinery/errors/catalog.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX } from "../limits.ts";
import type { Entry } from "../object/entry.ts";
import type { CacheEvent } from "./event.ts";
import { HISTORY_BUDGET, type HistoryBudget } from "./history-budget.ts";

/** The newest events of one resource, oldest first, bounded by count and bytes. */
export class History {
  readonly #budget: HistoryBudget;
  readonly #cut: (floor: number) => void;
  #events: CacheEvent[] = [];
  /** Events before this index are gone; the array is cut when they are an eighth of it. */
  #first = 0;
  /** How many events were cut from the array. */
  #cutOff = 0;
  /** How many events hold an entry, as the new state or as the one before. */
  readonly #holders = new Map<Entry, number>();
  #bytes = 0;
  /** Every event after this revision is here. */
  #floor: number;

  /** Calls `cut` now and then when events were dropped, with the floor that is left. */
  constructor(
    floor: number,
    cut: (floor: number) => void = () => undefined,
    budget: HistoryBudget = HISTORY_BUDGET,
  ) {
    this.#floor = floor;
    this.#cut = cut;
    this.#budget = budget;
  }

  /** A watch may start after any revision from this one on. */
  get floor(): number {
    return this.#floor;
  }

  /** The events' bytes in memory, each entry once. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#events.length - this.#first;
  }

  /**
   * Appends an event, and drops the oldest while there are more events or bytes than the limits,
   * but never the newest. An entry is counted once, whether as an event's entry or as its
   * `previous`, for as long as an event has it. Asserts that revisions do not decrease.
   */
  push(event: CacheEvent): void {
    const last = this.#events.at(-1);
    assert(!last || event.revision >= last.revision, `event ${event.revision} out of order`);
    // lab:07b begin history-push
    this.#events.push(event);
    this.#hold(event.entry);
    if (event.previous) this.#hold(event.previous);
    while (this.size > 1 && this.#full()) this.dropOldest();
    // lab:07b end
    this.#budget.fit();
  }

  #full(): boolean {
    return this.size > HISTORY_EVENTS_MAX || this.#bytes > HISTORY_BYTES_MAX;
  }

  #hold(entry: Entry): void {
    const holders = this.#holders.get(entry) ?? 0;
    this.#holders.set(entry, holders + 1);
    if (holders === 0) this.#count(entry.bytes);
  }

  #release(entry: Entry): void {
    const holders = this.#holders.get(entry)! - 1;
    if (holders > 0) return void this.#holders.set(entry, holders);
    this.#holders.delete(entry);
    this.#count(-entry.bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.changed(this, bytes);
  }

  dropOldest(): void {
    const gone = this.#events[this.#first]!;
    this.#release(gone.entry);
    if (gone.previous) this.#release(gone.previous);
    this.#floor = gone.revision;
    this.#first++;
    if (this.#first > this.#events.length / 8) {
      this.#events = this.#events.slice(this.#first);
      this.#cutOff += this.#first;
      this.#first = 0;
      this.#cut(this.#floor);
    }
  }

  /** The events after `revision`, which must not lie below the floor. */
  after(revision: number): CacheEvent[] {
    assert(revision >= this.#floor, `history starts at ${this.#floor}, asked for ${revision}`);
    // lab:07b begin history-after
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
    // lab:07b end
  }

  /**
   * The events after `revision` up to `until`, each read when it is asked for: a reader keeps none
   * that the history has dropped. Throws `Expired` at the first of those.
   */
  read(revision: number, until: number): Iterable<CacheEvent> {
    const next = this.#cutOff + this.#events.length - this.after(revision).length;
    return this.#readFrom(next, until);
  }

  *#readFrom(next: number, until: number): Generator<CacheEvent> {
    for (let place = next; ; place++) {
      const at = place - this.#cutOff;
      if (at < this.#first) {
        throw expired(`the watch was read too slowly: events before ${this.#floor} are gone`);
      }
      const event = this.#events[at];
      if (event === undefined || event.revision > until) return;
      yield event;
    }
  }

  /** Ends the history: it is not read afterwards. */
  close(): void {
    this.#budget.leave(this);
  }
}
