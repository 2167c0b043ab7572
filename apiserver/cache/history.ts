import { assert } from "@raft2kube/std/assert.ts";
import { HISTORY_BYTES_MAX, HISTORY_EVENTS_MAX } from "../limits.ts";
import type { CacheEvent } from "./event.ts";

/** The newest events of one resource, oldest first, bounded by count and bytes. */
export class History {
  #events: CacheEvent[] = [];
  /** Events in front of this index are gone; the array is cut when they are an eighth of it. */
  #first = 0;
  #bytes = 0;
  /** Every event after this revision is here. */
  #floor: number;

  constructor(floor: number) {
    this.#floor = floor;
  }

  /** A watch may start behind any revision from this one on. */
  get floor(): number {
    return this.#floor;
  }

  push(event: CacheEvent): void {
    const last = this.#events.at(-1);
    assert(!last || event.revision >= last.revision, `event ${event.revision} out of order`);
    // lab:07 begin history-push
    this.#events.push(event);
    this.#bytes += event.entry.body.length;
    while (this.#events.length - this.#first > 1 && this.#full()) this.#drop();
    // lab:07 end
  }

  #full(): boolean {
    return (
      this.#events.length - this.#first > HISTORY_EVENTS_MAX || this.#bytes > HISTORY_BYTES_MAX
    );
  }

  #drop(): void {
    const gone = this.#events[this.#first]!;
    this.#bytes -= gone.entry.body.length;
    this.#floor = gone.revision;
    this.#first++;
    if (this.#first > this.#events.length / 8) {
      this.#events = this.#events.slice(this.#first);
      this.#first = 0;
    }
  }

  /** The events behind `revision`, which must not lie below the floor. */
  after(revision: number): CacheEvent[] {
    assert(revision >= this.#floor, `history starts at ${this.#floor}, asked for ${revision}`);
    // lab:07 begin history-after
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#events[middle]!.revision <= revision) low = middle + 1;
      else high = middle;
    }
    return this.#events.slice(low);
    // lab:07 end
  }
}
