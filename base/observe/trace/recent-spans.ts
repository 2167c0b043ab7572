import { Fifo } from "@raft2kube/std/fifo.ts";
import { SPANS_KEPT_MAX, SPANS_SHOWN_MAX } from "../limits.ts";
import type { Span, SpanSink, Tracer } from "./tracer.ts";

/** The newest spans of a process, for the page that shows them. */
export class RecentSpans implements SpanSink {
  #spans = new Fifo<Span>();

  add(ended: Span): void {
    this.#spans.push(ended);
    if (this.#spans.length > SPANS_KEPT_MAX) this.#spans.shift();
  }

  recent(): Span[] {
    return [...this.#spans];
  }

  async close(): Promise<void> {
    this.#spans = new Fifo();
  }
}

export const TRACES_PATH = "/debug/traces";

/**
 * Returns, as JSON, the kept traces in which an object of one of the names occurs, the newest spans
 * of them; undefined if none are kept.
 */
export function tracesOf(tracer: Tracer | undefined, names: readonly string[]): string | undefined {
  const all = tracer?.sink.recent?.();
  if (all === undefined) return undefined;
  const wanted = new Set(all.flatMap((span) => (occursIn(span, names) ? span.traceId : [])));
  return JSON.stringify(all.filter(({ traceId }) => wanted.has(traceId)).slice(-SPANS_SHOWN_MAX));
}

function occursIn({ attributes }: Span, names: readonly string[]): boolean {
  const isNamed = (text: unknown) =>
    typeof text === "string" && names.some((name) => text === name || text.endsWith(`/${name}`));
  return Object.values(attributes).flat().some(isNamed);
}
