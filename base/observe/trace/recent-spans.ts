import { Fifo } from "@raft2kube/std/fifo.ts";
import { SPANS_KEPT_MAX } from "../limits.ts";
import type { EndedSpan, SpanSink } from "./tracer.ts";

/** The newest spans of a process, for the page that shows them. */
export class RecentSpans implements SpanSink {
  readonly #max: number;
  #spans = new Fifo<EndedSpan>();

  constructor(spans_max = SPANS_KEPT_MAX) {
    this.#max = spans_max;
  }

  add(ended: EndedSpan): void {
    this.#spans.push(ended);
    if (this.#spans.length > this.#max) this.#spans.shift();
  }

  /** Returns the spans in the order of their ends. */
  recent(): EndedSpan[] {
    return [...this.#spans];
  }

  close(): Promise<void> {
    this.#spans = new Fifo();
    return Promise.resolve();
  }
}
