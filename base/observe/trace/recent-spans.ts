import { SPANS_KEPT_MAX } from "../limits.ts";
import type { EndedSpan, SpanSink } from "./tracer.ts";

/** The newest spans of a process, for the page that shows them. */
export class RecentSpans implements SpanSink {
  readonly #ring: EndedSpan[] = [];
  readonly #max: number;
  /** Index of the oldest span, once the ring is full. */
  #oldest = 0;

  constructor(spans_max = SPANS_KEPT_MAX) {
    this.#max = spans_max;
  }

  add(ended: EndedSpan): void {
    if (this.#ring.length < this.#max) {
      this.#ring.push(ended);
      return;
    }
    this.#ring[this.#oldest] = ended;
    this.#oldest = (this.#oldest + 1) % this.#max;
  }

  /** Returns the spans in the order of their ends. */
  recent(): EndedSpan[] {
    return [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)];
  }

  close(): Promise<void> {
    this.#ring.length = 0;
    this.#oldest = 0;
    return Promise.resolve();
  }
}
