import { status as grpcStatus } from "@grpc/grpc-js";
import { CodedError } from "@raft2kube/std/errors.ts";

/** gRPC status codes (grpc/doc/statuscodes.md). */
export const Status = grpcStatus;
export type Status = grpcStatus;

/** An RPC that did not succeed, on either side of the wire. */
export class RpcError extends CodedError {
  override readonly name = "RpcError";
  /** The numeric gRPC status. */
  readonly status: Status;

  constructor(status: Status, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(Status[status] ?? String(status), message, options);
    this.status = status;
  }
}

/** What a handler or the transport threw, as an RpcError; anything unforeseen is INTERNAL. */
export function asRpcError(thrown: unknown): RpcError {
  if (thrown instanceof RpcError) return thrown;
  if (typeof thrown === "object" && thrown !== null && "code" in thrown && "details" in thrown) {
    const { code, details } = thrown as { code: unknown; details: unknown };
    if (typeof code === "number") {
      return new RpcError(code, String(details), { cause: thrown });
    }
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RpcError(Status.INTERNAL, message, { cause: thrown });
}
