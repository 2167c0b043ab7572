// Generated from base/proto/schema by scripts/proto/generate.ts. Do not edit.
import { MessageType } from "../codec.ts";
import type { Unary, ServiceTable } from "../service.ts";

export interface ExportTraceServiceRequest {
  resourceSpans: ResourceSpans[];
}
export const ExportTraceServiceRequest: MessageType<ExportTraceServiceRequest> = new MessageType("opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest", () => [
  { id: 1, name: "resourceSpans", type: () => ResourceSpans as never, repeated: true },
]);

export interface ExportTraceServiceResponse {
  partialSuccess?: ExportTracePartialSuccess | undefined;
}
export const ExportTraceServiceResponse: MessageType<ExportTraceServiceResponse> = new MessageType("opentelemetry.proto.collector.trace.v1.ExportTraceServiceResponse", () => [
  { id: 1, name: "partialSuccess", type: () => ExportTracePartialSuccess as never, optional: true },
]);

export interface ExportTracePartialSuccess {
  rejectedSpans: number;
  errorMessage: string;
}
export const ExportTracePartialSuccess: MessageType<ExportTracePartialSuccess> = new MessageType("opentelemetry.proto.collector.trace.v1.ExportTracePartialSuccess", () => [
  { id: 1, name: "rejectedSpans", type: "int64" },
  { id: 2, name: "errorMessage", type: "string" },
]);

export interface ResourceSpans {
  resource?: Resource | undefined;
  scopeSpans: ScopeSpans[];
  schemaUrl: string;
}
export const ResourceSpans: MessageType<ResourceSpans> = new MessageType("opentelemetry.proto.collector.trace.v1.ResourceSpans", () => [
  { id: 1, name: "resource", type: () => Resource as never, optional: true },
  { id: 2, name: "scopeSpans", type: () => ScopeSpans as never, repeated: true },
  { id: 3, name: "schemaUrl", type: "string" },
]);

export interface Resource {
  attributes: KeyValue[];
  droppedAttributesCount: number;
}
export const Resource: MessageType<Resource> = new MessageType("opentelemetry.proto.collector.trace.v1.Resource", () => [
  { id: 1, name: "attributes", type: () => KeyValue as never, repeated: true },
  { id: 2, name: "droppedAttributesCount", type: "uint32" },
]);

export interface ScopeSpans {
  scope?: InstrumentationScope | undefined;
  spans: Span[];
  schemaUrl: string;
}
export const ScopeSpans: MessageType<ScopeSpans> = new MessageType("opentelemetry.proto.collector.trace.v1.ScopeSpans", () => [
  { id: 1, name: "scope", type: () => InstrumentationScope as never, optional: true },
  { id: 2, name: "spans", type: () => Span as never, repeated: true },
  { id: 3, name: "schemaUrl", type: "string" },
]);

export interface InstrumentationScope {
  name: string;
  version: string;
}
export const InstrumentationScope: MessageType<InstrumentationScope> = new MessageType("opentelemetry.proto.collector.trace.v1.InstrumentationScope", () => [
  { id: 1, name: "name", type: "string" },
  { id: 2, name: "version", type: "string" },
]);

export interface Span {
  traceId: Buffer;
  spanId: Buffer;
  traceState: string;
  parentSpanId: Buffer;
  name: string;
  kind: Span_SpanKind;
  startTimeUnixNano: bigint;
  endTimeUnixNano: bigint;
  attributes: KeyValue[];
  droppedAttributesCount: number;
  events: Span_Event[];
  droppedEventsCount: number;
  links: Span_Link[];
  droppedLinksCount: number;
  status?: Status | undefined;
  flags: number;
}
export const Span: MessageType<Span> = new MessageType("opentelemetry.proto.collector.trace.v1.Span", () => [
  { id: 1, name: "traceId", type: "bytes" },
  { id: 2, name: "spanId", type: "bytes" },
  { id: 3, name: "traceState", type: "string" },
  { id: 4, name: "parentSpanId", type: "bytes" },
  { id: 5, name: "name", type: "string" },
  { id: 6, name: "kind", type: "int32" },
  { id: 7, name: "startTimeUnixNano", type: "fixed64", bigint: true },
  { id: 8, name: "endTimeUnixNano", type: "fixed64", bigint: true },
  { id: 9, name: "attributes", type: () => KeyValue as never, repeated: true },
  { id: 10, name: "droppedAttributesCount", type: "uint32" },
  { id: 11, name: "events", type: () => Span_Event as never, repeated: true },
  { id: 12, name: "droppedEventsCount", type: "uint32" },
  { id: 13, name: "links", type: () => Span_Link as never, repeated: true },
  { id: 14, name: "droppedLinksCount", type: "uint32" },
  { id: 15, name: "status", type: () => Status as never, optional: true },
  { id: 16, name: "flags", type: "fixed32" },
]);

export type Span_SpanKind = number;
export const Span_SpanKind = {
  SPAN_KIND_UNSPECIFIED: 0,
  SPAN_KIND_INTERNAL: 1,
  SPAN_KIND_SERVER: 2,
  SPAN_KIND_CLIENT: 3,
  SPAN_KIND_PRODUCER: 4,
  SPAN_KIND_CONSUMER: 5,
} as const;

export interface Span_Event {
  timeUnixNano: bigint;
  name: string;
  attributes: KeyValue[];
  droppedAttributesCount: number;
}
export const Span_Event: MessageType<Span_Event> = new MessageType("opentelemetry.proto.collector.trace.v1.Span.Event", () => [
  { id: 1, name: "timeUnixNano", type: "fixed64", bigint: true },
  { id: 2, name: "name", type: "string" },
  { id: 3, name: "attributes", type: () => KeyValue as never, repeated: true },
  { id: 4, name: "droppedAttributesCount", type: "uint32" },
]);

export interface Span_Link {
  traceId: Buffer;
  spanId: Buffer;
  traceState: string;
  attributes: KeyValue[];
  droppedAttributesCount: number;
  flags: number;
}
export const Span_Link: MessageType<Span_Link> = new MessageType("opentelemetry.proto.collector.trace.v1.Span.Link", () => [
  { id: 1, name: "traceId", type: "bytes" },
  { id: 2, name: "spanId", type: "bytes" },
  { id: 3, name: "traceState", type: "string" },
  { id: 4, name: "attributes", type: () => KeyValue as never, repeated: true },
  { id: 5, name: "droppedAttributesCount", type: "uint32" },
  { id: 6, name: "flags", type: "fixed32" },
]);

export interface Status {
  message: string;
  code: Status_StatusCode;
}
export const Status: MessageType<Status> = new MessageType("opentelemetry.proto.collector.trace.v1.Status", () => [
  { id: 2, name: "message", type: "string" },
  { id: 3, name: "code", type: "int32" },
]);

export type Status_StatusCode = number;
export const Status_StatusCode = {
  STATUS_CODE_UNSET: 0,
  STATUS_CODE_OK: 1,
  STATUS_CODE_ERROR: 2,
} as const;

export interface AnyValue {
  stringValue?: string | undefined;
  boolValue?: boolean | undefined;
  intValue?: number | undefined;
  doubleValue?: number | undefined;
  arrayValue?: ArrayValue | undefined;
  kvlistValue?: KeyValueList | undefined;
  bytesValue?: Buffer | undefined;
}
export const AnyValue: MessageType<AnyValue> = new MessageType("opentelemetry.proto.collector.trace.v1.AnyValue", () => [
  { id: 1, name: "stringValue", type: "string", optional: true, oneof: "value" },
  { id: 2, name: "boolValue", type: "bool", optional: true, oneof: "value" },
  { id: 3, name: "intValue", type: "int64", optional: true, oneof: "value" },
  { id: 4, name: "doubleValue", type: "double", optional: true, oneof: "value" },
  { id: 5, name: "arrayValue", type: () => ArrayValue as never, optional: true, oneof: "value" },
  { id: 6, name: "kvlistValue", type: () => KeyValueList as never, optional: true, oneof: "value" },
  { id: 7, name: "bytesValue", type: "bytes", optional: true, oneof: "value" },
]);

export interface ArrayValue {
  values: AnyValue[];
}
export const ArrayValue: MessageType<ArrayValue> = new MessageType("opentelemetry.proto.collector.trace.v1.ArrayValue", () => [
  { id: 1, name: "values", type: () => AnyValue as never, repeated: true },
]);

export interface KeyValueList {
  values: KeyValue[];
}
export const KeyValueList: MessageType<KeyValueList> = new MessageType("opentelemetry.proto.collector.trace.v1.KeyValueList", () => [
  { id: 1, name: "values", type: () => KeyValue as never, repeated: true },
]);

export interface KeyValue {
  key: string;
  value?: AnyValue | undefined;
}
export const KeyValue: MessageType<KeyValue> = new MessageType("opentelemetry.proto.collector.trace.v1.KeyValue", () => [
  { id: 1, name: "key", type: "string" },
  { id: 2, name: "value", type: () => AnyValue as never, optional: true },
]);

export interface TraceServiceMethods {
  export: Unary<ExportTraceServiceRequest, ExportTraceServiceResponse>;
}
export const TraceService = {
  fullName: "opentelemetry.proto.collector.trace.v1.TraceService",
  methods: {
    export: {
      name: "Export",
      request: ExportTraceServiceRequest,
      response: ExportTraceServiceResponse,
      clientStream: false,
      serverStream: false,
    },
  },
} as unknown as ServiceTable<TraceServiceMethods>;
