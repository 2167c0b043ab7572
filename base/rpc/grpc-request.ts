import type { RequestHead } from "@raft2kube/h2/request-head.ts";
import { CallMetadata } from "./call-metadata.ts";
import { RpcError, Status } from "./error.ts";
import { findRoute, type Route, type Routes } from "./routes.ts";

/** A call's parsed head; one object for all calls with the same head. */
export interface GrpcRequest {
  readonly kind: "grpc";
  readonly route: Route | undefined;
  /** Error with which the call fails before it starts. */
  readonly refusal: RpcError | undefined;
  readonly metadata: CallMetadata;
  readonly timeout_ms: number | undefined;
  readonly encoding: string | undefined;
}

export type HttpRequest = { readonly kind: "http"; readonly head: RequestHead };

const GRPC_TYPE = /^application\/grpc(?:[+;]|$)/;

/** Reads the head of a request. */
export function readHead(head: RequestHead, routes: Routes): GrpcRequest | HttpRequest {
  const field = (wanted: string) => head.fields.find(([name]) => name === wanted)?.[1];
  if (head.method !== "POST" || !GRPC_TYPE.test(field("content-type") ?? "")) {
    return { kind: "http", head };
  }
  const timeout = field("grpc-timeout");
  const timeout_ms = timeout === undefined ? undefined : timeoutOf(timeout);
  const found = findRoute(head.path, routes);
  const route = found instanceof RpcError ? undefined : found;
  let refusal = found instanceof RpcError ? found : undefined;
  if (timeout_ms !== undefined && Number.isNaN(timeout_ms)) {
    refusal = new RpcError(Status.INTERNAL, `malformed grpc-timeout: ${timeout}`);
  }
  const metadata = new CallMetadata(head.fields);
  return { kind: "grpc", route, refusal, metadata, timeout_ms, encoding: field("grpc-encoding") };
}

const UNITS_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** A `grpc-timeout`, in milliseconds; NaN when it is malformed. */
export function timeoutOf(text: string): number {
  const match = /^([0-9]{1,8})([HMSmun])$/.exec(text);
  return match ? Number(match[1]) * UNITS_MS[match[2]!]! : Number.NaN;
}
