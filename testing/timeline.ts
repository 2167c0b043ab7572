import type { Timer } from "@raft2kube/std/clock.ts";

interface Scheduled {
  readonly at_ms: number;
  readonly order: number;
  readonly act: () => void;
  cancelled: boolean;
}

/** The virtual time of a whole run: what happens, in order of its time, then of its arrival. */
export class Timeline {
  #now_ms = 0;
  #order = 0;
  readonly #heap: Scheduled[] = [];

  /** Milliseconds since the run started. */
  get now_ms(): number {
    return this.#now_ms;
  }

  /** Lets `act` happen `delay_ms` from now. */
  after(delay_ms: number, act: () => void): Timer {
    const at_ms = this.#now_ms + Math.max(0, delay_ms);
    const scheduled = { at_ms, order: this.#order++, act, cancelled: false };
    this.#push(scheduled);
    return {
      cancel: () => {
        scheduled.cancelled = true;
      },
    };
  }

  /** Runs what comes next. False when nothing is left. */
  step(): boolean {
    for (;;) {
      const next = this.#pop();
      if (!next) return false;
      if (next.cancelled) continue;
      this.#now_ms = next.at_ms;
      next.act();
      return true;
    }
  }

  #push(scheduled: Scheduled): void {
    const heap = this.#heap;
    let at = heap.push(scheduled) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(scheduled, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = scheduled;
  }

  #pop(): Scheduled | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}

function before(a: Scheduled, b: Scheduled): boolean {
  return a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.order < b.order);
}
