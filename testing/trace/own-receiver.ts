import {
  ExportTraceServiceRequest, type ResourceSpans, TraceService,
} from "@raft2kube/proto/gen/otlp.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { ExportTraceServiceResponse } from "@raft2kube/proto/gen/otlp.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { type JsonSpans, type ReceivedSpan, readSpans, type TraceReceiver } from "./received-span.ts";

/** Answers a request for spans, or throws the call's error. */
type Answer = (spans: readonly ReceivedSpan[]) => Init<ExportTraceServiceResponse>;

/** Starts a receiver in this process; `port` 0 takes a free one. */
export async function startReceiver(
  answer: Answer = () => ({}), port = 0,
): Promise<TraceReceiver & { readonly port: number }> {
  const received: ReceivedSpan[] = [];
  const server = await serveGrpc({
    listen: { host: "127.0.0.1", port },
    services: [serve(TraceService, {
      export({ resourceSpans }: ExportTraceServiceRequest) {
        const spans = readSpans(asJson(resourceSpans));
        const response = answer(spans);
        received.push(...spans);
        return response;
      },
    })],
  });
  return {
    endpoint: `127.0.0.1:${server.port}`, port: server.port,
    spans: () => received, close: server.close,
  };
}

/** OTLP's JSON encoding has ids in hexadecimal, 64-bit integers as strings. */
function asJson(resourceSpans: readonly ResourceSpans[]): JsonSpans {
  const text = JSON.stringify({ resourceSpans }, (_, value: unknown) => {
    if (typeof value === "bigint") return value.toString();
    const bytes = value as { type?: unknown; data?: readonly number[] } | null;
    return bytes?.type === "Buffer" ? Buffer.from(bytes.data ?? []).toString("hex") : value;
  });
  return JSON.parse(text) as JsonSpans;
}
