import { CodedError } from "@raft2kube/std/errors.ts";

/** Codes of errors; the CRI services map each to a gRPC status. */
export type RuntimeErrorCode =
  | "not-found"
  | "invalid-argument"
  | "already-exists"
  | "failed-precondition"
  | "resource-exhausted"
  | "deadline-exceeded"
  | "unavailable"
  | "unimplemented"
  | "permission-denied"
  | "internal";

/** An error of the runtime: the code is for programs, the message names what it is about. */
export class RuntimeError extends CodedError {
  declare readonly code: RuntimeErrorCode;

  constructor(
    code: RuntimeErrorCode,
    message: string,
    options: { remedy?: string; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}
