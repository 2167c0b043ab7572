import { ownText } from "@raft2kube/std/bytes.ts";

/** The part of a span that its children need, also in other processes. */
export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
  /** Whether the trace is recorded, as its first span decided. */
  readonly isSampled: boolean;
}

export const TRACEPARENT = "traceparent";

/** The form of a header: nothing follows the flags of version 00; ff, and zeros, are invalid. */
const FORM =
  /^(?:00(?=.{53}$)|(?!00|ff)[\da-f]{2})-(?!0+-)([\da-f]{32})-(?!0+-)([\da-f]{16})-([\da-f]{2})(-|$)/;

/**
 * Reads the header `traceparent` (W3C Trace Context, section 3.2); undefined when it is absent or
 * malformed, which starts a new trace. Versions after 00 may add fields, which are ignored.
 */
export function parseTraceparent(text: unknown): SpanContext | undefined {
  const match = typeof text === "string" ? FORM.exec(text) : null;
  if (match === null) return undefined;
  const [, traceId = "", spanId = "", flags = ""] = match;
  const isSampled = (parseInt(flags, 16) & 1) !== 0;
  // Copied: spans that are kept have them as their links, and a header may be long.
  return { traceId: ownText(traceId), spanId: ownText(spanId), isSampled };
}

/** Returns the header's value for requests that are part of a span. */
export function traceparentOf({ traceId, spanId, isSampled }: SpanContext): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}
