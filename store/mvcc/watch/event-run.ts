import type { Event } from "@raft2kube/proto/gen/etcd.ts";

/**
 * Events that many watches are sent in the same order: each has the first of them, as many as its
 * count. A list for each watch would be most of the garbage of a thousand watches.
 */
export class EventRun {
  readonly #events: Event[];
  #part: Event[];

  constructor(events: readonly Event[]) {
    this.#events = [...events];
    this.#part = this.#events.slice();
  }

  /**
   * Adds `events` after the first `count`, or finds them there; returns false when others follow.
   */
  continues(count: number, events: readonly Event[]): boolean {
    const all = this.#events;
    if (all.length === count) {
      for (const event of events) all.push(event);
      return true;
    }
    for (let i = 0; i < events.length; i++) if (all[count + i] !== events[i]) return false;
    return true;
  }

  /** The first `count` events, as a list that does not grow: the same one for the same count. */
  first(count: number): Event[] {
    if (this.#part.length !== count) this.#part = this.#events.slice(0, count);
    return this.#part;
  }
}
