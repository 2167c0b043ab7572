import { Fifo } from "@raft2kube/std/fifo.ts";
import { SPANS_KEPT_MAX, SPANS_SHOWN_MAX } from "../limits.ts";
import type { Span } from "./span.ts";
import type { EndedSpan, SpanSink, Tracer } from "./tracer.ts";

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

/** The path at which a component shows the traces that it keeps. */
export const TRACES_PATH = "/debug/traces";

/**
 * Returns, as JSON, the kept traces in which an object of one of the names occurs, the newest spans
 * of them; undefined if none are kept.
 */
export function tracesOf(tracer: Tracer | undefined, names: readonly string[]): string | undefined {
  const all = tracer?.recent();
  if (all === undefined) return undefined;
  const found = all.filter(({ span }) => occursIn(span, names));
  const wanted = new Set(found.map(({ span }) => span.traceId));
  const shown = all.filter(({ span }) => wanted.has(span.traceId)).slice(-SPANS_SHOWN_MAX);
  return JSON.stringify(shown.map(shownSpan));
}

function occursIn({ attributes }: Span, names: readonly string[]): boolean {
  const texts = Object.values(attributes)
    .flat()
    .filter((value) => typeof value === "string");
  return texts.some((text) => names.some((name) => text === name || text.endsWith(`/${name}`)));
}

function shownSpan({ service, span }: EndedSpan) {
  const { name, traceId, spanId, parentId, start_ms, end_ms, attributes, failure } = span;
  return {
    service: service.name,
    name,
    traceId,
    spanId,
    parentId,
    start_ms,
    end_ms,
    attributes,
    failure,
  };
}
