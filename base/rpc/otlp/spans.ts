import type { SpanContext } from "@raft2kube/observe/trace/traceparent.ts";
import type { Attribute, Attributes, Span, SpanKind } from "@raft2kube/observe/trace/tracer.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import * as otlp from "@raft2kube/proto/gen/otlp.ts";

const SCOPE = { name: "raft2kube" };
const FAILED = otlp.Status_StatusCode.STATUS_CODE_ERROR;

/** Returns ended spans as OTLP's messages, those of a service together. */
export function resourceSpans(ended: readonly Span[]): Init<otlp.ResourceSpans>[] {
  const services = Map.groupBy(ended, ({ owner }) => owner.options.service);
  return [...services].map(([{ name, instance }, group]) => ({
    resource: { attributes: keyValues({ "service.name": name, "service.instance.id": instance }) },
    scopeSpans: [{ scope: SCOPE, spans: group.map(spanMessage) }],
  }));
}

function spanMessage(span: Span): Init<otlp.Span> {
  const { parentId, failure } = span;
  const kind = span.kind.toUpperCase() as Uppercase<SpanKind>;
  return {
    ...ids(span),
    ...(parentId !== undefined && { parentSpanId: Buffer.from(parentId, "hex") }),
    name: span.name,
    kind: otlp.Span_SpanKind[`SPAN_KIND_${kind}`],
    startTimeUnixNano: nanoseconds(span.start_ms),
    endTimeUnixNano: nanoseconds(span.end_ms ?? span.start_ms),
    attributes: keyValues(span.attributes),
    links: span.links.map(ids),
    ...(failure !== undefined && { status: { code: FAILED, message: failure } }),
  };
}

function ids({ traceId, spanId }: SpanContext) {
  return { traceId: Buffer.from(traceId, "hex"), spanId: Buffer.from(spanId, "hex") };
}

const nanoseconds = (ms: number) =>
  BigInt(Math.floor(ms)) * 1_000_000n + BigInt(Math.floor((ms % 1) * 1e6));

function keyValues(attributes: Attributes): Init<otlp.KeyValue>[] {
  return Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : { key, value: anyValue(value) },
  );
}

function anyValue(value: Attribute): Init<otlp.AnyValue> {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value !== "number") {
    return { arrayValue: { values: value.map((stringValue) => ({ stringValue })) } };
  }
  return Number.isSafeInteger(value) ? { intValue: value } : { doubleValue: value };
}
