import { STATUS_CODES } from "node:http";
import { JsonError } from "@raft2kube/proto/json.ts";
import { asRpcError, RpcError, Status } from "../error.ts";

/** The HTTP status of each gRPC status, as grpc-gateway maps them. */
const HTTP_STATUS: Readonly<Record<Status, number>> = {
  [Status.OK]: 200,
  [Status.CANCELLED]: 499,
  [Status.UNKNOWN]: 500,
  [Status.INVALID_ARGUMENT]: 400,
  [Status.DEADLINE_EXCEEDED]: 504,
  [Status.NOT_FOUND]: 404,
  [Status.ALREADY_EXISTS]: 409,
  [Status.PERMISSION_DENIED]: 403,
  [Status.RESOURCE_EXHAUSTED]: 429,
  [Status.FAILED_PRECONDITION]: 400,
  [Status.ABORTED]: 409,
  [Status.OUT_OF_RANGE]: 400,
  [Status.UNIMPLEMENTED]: 501,
  [Status.INTERNAL]: 500,
  [Status.UNAVAILABLE]: 503,
  [Status.DATA_LOSS]: 500,
  [Status.UNAUTHENTICATED]: 401,
};

export const httpStatusOf = (status: Status): number => HTTP_STATUS[status] ?? 500;

/** JSON that does not parse or fit is the request's fault; for all else see `asRpcError`. */
export function gatewayError(thrown: unknown): RpcError {
  if (!(thrown instanceof JsonError)) return asRpcError(thrown);
  return new RpcError(Status.INVALID_ARGUMENT, thrown.message, { cause: thrown });
}

/** The body of a failed request: `error` for clients of etcd up to 3.5, the rest for all. */
export function errorBody({ status, message }: RpcError): string {
  return JSON.stringify({ error: message, code: status, message });
}

/** The line that ends a stream: the names of etcd up to 3.5, and `code` of later ones. */
export function errorLine({ status, message }: RpcError): string {
  const http_code = httpStatusOf(status);
  const http_status = STATUS_CODES[http_code] ?? "";
  const error = { grpc_code: status, http_code, message, http_status, code: status };
  return `${JSON.stringify({ error })}\n`;
}
