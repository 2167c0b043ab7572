/** A span as a receiver has it. */
export interface ReceivedSpan {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** The parent's spanId; empty for the first span of a trace. */
  readonly parentId: string;
  /** OTLP's SpanKind. */
  readonly kind: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Trace ids of the spans that it is linked to. */
  readonly links: readonly string[];
  readonly start_ns: bigint;
  readonly end_ns: bigint;
  /** OTLP's StatusCode. */
  readonly status: number;
}

/** A receiver of OTLP over gRPC. */
export interface TraceReceiver {
  /** `host:port`. */
  readonly endpoint: string;
  /** Returns the spans received so far. */
  spans(): ReceivedSpan[];
  close(): Promise<void>;
}

interface JsonValue {
  stringValue?: string;
  boolValue?: boolean;
  intValue?: number | string;
  doubleValue?: number;
  arrayValue?: { values: JsonValue[] };
}

interface JsonSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind?: number;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: { key: string; value: JsonValue }[];
  links?: { traceId: string }[];
  status?: { code?: number };
}

/** OTLP's JSON encoding of spans. */
export interface JsonSpans {
  resourceSpans: {
    resource: { attributes?: JsonSpan["attributes"] };
    scopeSpans: { spans: JsonSpan[] }[];
  }[];
}

/** Reads spans in OTLP's JSON encoding. */
export function readSpans({ resourceSpans }: JsonSpans): ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = String(valuesOf(resource.attributes)["service.name"]);
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => readSpan(service, span)));
  });
}

function readSpan(service: string, span: JsonSpan): ReceivedSpan {
  return {
    service,
    name: span.name,
    traceId: span.traceId,
    spanId: span.spanId,
    parentId: span.parentSpanId ?? "",
    kind: span.kind ?? 0,
    attributes: valuesOf(span.attributes),
    links: (span.links ?? []).map(({ traceId }) => traceId),
    start_ns: BigInt(span.startTimeUnixNano),
    end_ns: BigInt(span.endTimeUnixNano),
    status: span.status?.code ?? 0,
  };
}

function valuesOf(attributes: JsonSpan["attributes"] = []): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, valueOf(value)]));
}

function valueOf(value: JsonValue): unknown {
  const { stringValue, boolValue, intValue, doubleValue, arrayValue } = value;
  const whole = intValue === undefined ? undefined : Number(intValue);
  return stringValue ?? boolValue ?? whole ?? doubleValue ?? arrayValue?.values.map(valueOf);
}
