import type { Init } from "@raft2kube/proto/codec.ts";
import { type ExportTraceServiceResponse, TraceService } from "@raft2kube/proto/gen/otlp.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import {
  type JsonSpans,
  type ReceivedSpan,
  readSpans,
  type TraceReceiver,
} from "./received-span.ts";

/** Answers a request for spans, or throws the call's error. */
type Answer = (spans: readonly ReceivedSpan[]) => Init<ExportTraceServiceResponse>;

/** Starts a receiver in this process; `port` 0 takes a free one. */
export async function startReceiver(
  answer: Answer = () => ({}),
  port = 0,
): Promise<TraceReceiver & { readonly port: number }> {
  const received: ReceivedSpan[] = [];
  const server = await serveGrpc({
    listen: { host: "127.0.0.1", port },
    services: [
      serve(TraceService, {
        export({ resourceSpans }) {
          const spans = readSpans(JSON.parse(otlpJson({ resourceSpans })) as JsonSpans);
          const response = answer(spans);
          received.push(...spans);
          return response;
        },
      }),
    ],
  });
  return {
    endpoint: `127.0.0.1:${server.port}`,
    port: server.port,
    spans: () => received,
    close: server.close,
  };
}

/** Encodes a message with spans as OTLP's JSON: ids in hexadecimal, 64-bit integers as strings. */
function otlpJson(message: object): string {
  return JSON.stringify(message, (_, value: unknown) => {
    if (typeof value === "bigint") return value.toString();
    // Buffers have a JSON form of their own, which the replacer gets.
    const bytes = value as { type?: unknown; data?: readonly number[] } | null;
    if (bytes?.type !== "Buffer" || bytes.data === undefined) return value;
    return Buffer.from(bytes.data).toString("hex");
  });
}
