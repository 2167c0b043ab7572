import type { Attributes, Span } from "@raft2kube/observe/trace/tracer.ts";
import { type RpcError, statusName } from "./error.ts";

/** Attributes of a call's span, of either side (OpenTelemetry's conventions for RPC). */
export function rpcAttributes(name: string): Attributes {
  return { "rpc.system.name": "grpc", "rpc.method": name };
}

/** Ends a call's span with its status. */
export function traceEnded(span: Span | undefined, reason: RpcError | undefined): void {
  if (!span) return;
  const status = reason ? statusName(reason.status) : "OK";
  span.set({ "rpc.response.status_code": status });
  if (reason) span.fail(reason.message);
  span.end();
}
