import { H2_ERROR } from "@raft2kube/h2/frame.ts";
import type { HeaderField } from "@raft2kube/h2/hpack/static-table.ts";
import { neverSent } from "./channel.ts";
import { RpcError, Status } from "./error.ts";

/** Reads a call's status; undefined if the response has none. */
export type Verdict = "ok" | RpcError | undefined;

/** Reads the head of an answer, which is also its end when the call failed immediately. */
export function verdictOfHead(fields: readonly HeaderField[]): Verdict {
  const found = verdictOfTrailers(fields);
  if (found) return found;
  const http = valueOf(fields, ":status") ?? "";
  if (http.startsWith("1")) return undefined;
  if (http !== "200") {
    return new RpcError(HTTP_STATUS[http] ?? Status.UNKNOWN, `Received HTTP status code ${http}`);
  }
  const type = valueOf(fields, "content-type") ?? "";
  if (type.startsWith("application/grpc")) return undefined;
  return new RpcError(Status.UNKNOWN, `an answer of content-type "${type}"`);
}

export function verdictOfTrailers(fields: readonly HeaderField[]): Verdict {
  const status = valueOf(fields, "grpc-status");
  if (status === undefined) return undefined;
  if (status === "0") return "ok";
  const code = /^[0-9]{1,9}$/.test(status) ? Number(status) : Status.UNKNOWN;
  return new RpcError(code, percentDecoded(valueOf(fields, "grpc-message") ?? ""));
}

/** Why a call is over whose stream was reset, or whose connection is gone (without a code). */
export function abortReason(code: number | undefined): RpcError {
  switch (code) {
    case undefined:
      return new RpcError(Status.UNAVAILABLE, "Connection dropped");
    case H2_ERROR.REFUSED_STREAM:
      return neverSent("the server takes no more calls");
    case H2_ERROR.CANCEL:
      return new RpcError(Status.CANCELLED, "Call cancelled by the server");
    case H2_ERROR.ENHANCE_YOUR_CALM:
      return new RpcError(Status.RESOURCE_EXHAUSTED, "the server asks for less");
  }
  return new RpcError(Status.INTERNAL, `Received RST_STREAM with code ${code}`);
}

/** grpc/doc/http-grpc-status-mapping.md. */
const HTTP_STATUS: Readonly<Record<string, Status>> = {
  "400": Status.INTERNAL,
  "401": Status.UNAUTHENTICATED,
  "403": Status.PERMISSION_DENIED,
  "404": Status.UNIMPLEMENTED,
  "429": Status.UNAVAILABLE,
  "502": Status.UNAVAILABLE,
  "503": Status.UNAVAILABLE,
  "504": Status.UNAVAILABLE,
};

function valueOf(fields: readonly HeaderField[], wanted: string): string | undefined {
  return fields.find(([name]) => name === wanted)?.[1];
}

/** %XX are bytes of UTF-8; what is no such thing stays as it is (PROTOCOL-HTTP2.md). */
function percentDecoded(text: string): string {
  const bytes = text.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => {
    return String.fromCharCode(Number.parseInt(hex, 16));
  });
  return Buffer.from(bytes, "latin1").toString("utf8");
}
