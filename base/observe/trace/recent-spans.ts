import { Fifo } from "@raft2kube/std/fifo.ts";
import { SPANS_KEPT_MAX, SPANS_SHOWN_MAX } from "../limits.ts";
import type { Span, SpanSink, Tracer } from "./tracer.ts";

/** Keeps the newest spans of a process, for the page that shows them. */
export function recentSpans() {
  let spans = new Fifo<Span>();
  return {
    add(ended) {
      spans.push(ended);
      if (spans.length > SPANS_KEPT_MAX) spans.shift();
    },
    recent: () => [...spans],
    close: async () => void (spans = new Fifo()),
  } satisfies SpanSink;
}

export const TRACES_PATH = "/debug/traces";

/**
 * Returns the newest kept traces of objects with these names, with the time by the clock that dates
 * them, as JSON; undefined: none is kept.
 */
export function tracesOf(tracer: Tracer | undefined, names: readonly string[]): string | undefined {
  const all = tracer?.options.sink.recent?.();
  if (!tracer || !all) return undefined;
  const wanted = new Set(all.flatMap((span) => (occursIn(span, names) ? span.traceId : [])));
  const spans = all.filter(({ traceId }) => wanted.has(traceId)).slice(-SPANS_SHOWN_MAX);
  return JSON.stringify({ now_ms: tracer.options.clock.now(), spans });
}

function occursIn({ attributes }: Span, names: readonly string[]): boolean {
  const isNamed = (text: unknown) =>
    typeof text === "string" && names.some((name) => text === name || text.endsWith(`/${name}`));
  return Object.values(attributes).flat().some(isNamed);
}
