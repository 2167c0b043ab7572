import type { StatusDetails } from "@raft2kube/api/gen/meta/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/** The body of every answer that is not a success (meta/v1 Status). */
export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: { continue?: string };
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code?: number;
}

export interface ApiErrorInit {
  code: number;
  reason: string;
  message: string;
  details?: StatusDetails;
  /** A token offered with an expired list, so that the client may continue inconsistently. */
  continue?: string;
}

/** An error that is returned to a client of the API: an HTTP code and its `Status`. */
export class ApiError extends CodedError {
  readonly http: number;
  readonly status: Status;

  constructor(init: ApiErrorInit) {
    super(init.reason === "" ? `HTTP_${init.code}` : init.reason, init.message);
    this.http = init.code;
    this.status = {
      kind: "Status",
      apiVersion: "v1",
      metadata: init.continue === undefined ? {} : { continue: init.continue },
      status: "Failure",
      message: init.message,
      ...(init.reason === "" ? {} : { reason: init.reason }),
      ...(init.details === undefined ? {} : { details: init.details }),
      code: init.code,
    };
  }
}

/** Returns the error that a Status describes, for example one from another thread. */
export function errorOf(status: Status): ApiError {
  const { code = 500, reason = "", message = "", details, metadata } = status;
  return new ApiError({
    code,
    reason,
    message,
    ...(details === undefined ? {} : { details }),
    ...(metadata.continue === undefined ? {} : { continue: metadata.continue }),
  });
}

/** Whether `thrown` is an API error with this reason, e.g. `isReason(thrown, "NotFound")`. */
export function isReason(thrown: unknown, reason: string): thrown is ApiError {
  return thrown instanceof ApiError && thrown.status.reason === reason;
}
