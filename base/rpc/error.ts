import { CodedError } from "@raft2kube/std/errors.ts";

/** gRPC status codes (grpc/doc/statuscodes.md). */
export const Status = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  UNAUTHENTICATED: 16,
} as const;
/** One of them; a peer may send others. */
export type Status = number;

const NAMES = new Map(Object.entries(Status).map(([name, status]) => [status as Status, name]));

/** Returns `FAILED_PRECONDITION` for 9; a number that gRPC does not know as it is. */
export const statusName = (status: Status): string => NAMES.get(status) ?? String(status);

/** An RPC that did not succeed, on either side of the wire. */
export class RpcError extends CodedError {
  /** The numeric gRPC status. */
  readonly status: Status;

  constructor(status: Status, message: string, options: { remedy?: string; cause?: unknown } = {}) {
    super(statusName(status), message, options);
    this.status = status;
  }
}

/** Returns a status's name as Go prints it: `FailedPrecondition`. */
export function goCodeName({ code }: CodedError): string {
  if (code === "OK") return code;
  if (code === "CANCELLED") return "Canceled";
  const parts = code.toLowerCase().split("_");
  return parts.map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");
}

/** Returns an error of a handler or the transport as an RpcError; unexpected ones are INTERNAL. */
export function asRpcError(thrown: unknown): RpcError {
  if (thrown instanceof RpcError) return thrown;
  if (typeof thrown === "object" && thrown !== null && "code" in thrown && "details" in thrown) {
    const { code, details } = thrown as { code: unknown; details: unknown };
    if (typeof code === "number") return new RpcError(code, String(details), { cause: thrown });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RpcError(Status.INTERNAL, message, { cause: thrown });
}
