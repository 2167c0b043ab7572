import type { Span } from "@raft2kube/observe/trace/span.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { SPANS_SHOWN_MAX } from "../limits.ts";
import { resourceSpans } from "./spans.ts";

/** The path at which a component shows the traces that it keeps. */
export const TRACES_PATH = "/debug/traces";

/**
 * Returns the kept traces in which an object of one of the names occurs, the newest spans of them,
 * in OTLP's JSON encoding; undefined if none are kept.
 */
export function tracesOf(tracer: Tracer | undefined, names: readonly string[]): string | undefined {
  const all = tracer?.recent();
  if (all === undefined) return undefined;
  const wanted = new Set(
    all.filter(({ span }) => occursIn(span, names)).map(({ span }) => span.traceId),
  );
  const shown = all.filter(({ span }) => wanted.has(span.traceId)).slice(-SPANS_SHOWN_MAX);
  return otlpJson({ resourceSpans: resourceSpans(shown) });
}

function occursIn({ attributes }: Span, names: readonly string[]): boolean {
  return Object.values(attributes)
    .flat()
    .some(
      (value) =>
        typeof value === "string" &&
        names.some((name) => value === name || value.endsWith(`/${name}`)),
    );
}

/** Encodes a message with spans as OTLP's JSON: ids in hexadecimal, 64-bit integers as strings. */
export function otlpJson(message: object): string {
  return JSON.stringify(message, (_, value: unknown) => {
    if (typeof value === "bigint") return value.toString();
    // Buffers have a JSON form of their own, which the replacer gets.
    const bytes = value as { type?: unknown; data?: readonly number[] } | null;
    if (bytes?.type !== "Buffer" || bytes.data === undefined) return value;
    return Buffer.from(bytes.data).toString("hex");
  });
}
