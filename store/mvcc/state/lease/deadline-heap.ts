/** Something that comes up at a moment. */
export type Deadline = { id: bigint; at_ms: number };

/** Deadlines, the earliest first. */
export class DeadlineHeap {
  readonly #heap: Deadline[] = [];

  get size(): number {
    return this.#heap.length;
  }

  clear(): void {
    this.#heap.length = 0;
  }

  push(deadline: Deadline): void {
    const heap = this.#heap;
    let at = heap.push(deadline) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]!.at_ms <= deadline.at_ms) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = deadline;
  }

  /** Takes the earliest, if it is not after `now_ms`. */
  takeDue(now_ms: number): Deadline | undefined {
    const heap = this.#heap;
    const top = heap[0];
    if (!top || top.at_ms > now_ms) return undefined;
    const last = heap.pop()!;
    if (heap.length > 0) this.#sink(last);
    return top;
  }

  #sink(deadline: Deadline): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.at_ms < heap[child]!.at_ms) child++;
      if (heap[child]!.at_ms >= deadline.at_ms) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = deadline;
  }
}
