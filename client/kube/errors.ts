import { CodedError, tolerate, tolerateSync } from "@raft2kube/std/errors.ts";

/** meta/v1 Status: the API's error. */
export interface Status {
  kind?: string;
  apiVersion?: string;
  status?: string;
  message?: string;
  reason?: string;
  code?: number;
  details?: {
    name?: string;
    group?: string;
    kind?: string;
    uid?: string;
    retryAfterSeconds?: number;
    causes?: { reason?: string; message?: string; field?: string }[];
  };
}

/** The API answered with a failure. `code` is the Status' reason, `http` its HTTP code. */
export class KubeError extends CodedError {
  readonly status: Status;
  readonly http: number;

  constructor(status: Status) {
    const http = status.code ?? 500;
    super(status.reason || reasonOfHttp(http), status.message || `the server answered ${http}`);
    this.status = status;
    this.http = http;
  }
}

/** Returns the error of a failed request: its answer's Status, else the start of its text. */
export function answeredError(http: number, text: string, what: string): KubeError {
  // A proxy's or an early error page is no JSON.
  const isText = (thrown: unknown) => thrown instanceof SyntaxError;
  const status = tolerateSync(() => JSON.parse(text) as Status, isText);
  if (status?.kind === "Status") return new KubeError({ ...status, code: status.code ?? http });
  return new KubeError({ message: `${what}: ${http} ${text.slice(0, 512).trim()}`, code: http });
}

/**
 * The connection failed or the answer was not one of the API; `code` as Node's (`ECONNREFUSED`).
 */
export class TransportError extends CodedError {}

/** The reason upstream gives to an HTTP code when the body has none. */
function reasonOfHttp(http: number): string {
  const reasons: Record<number, string> = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
  };
  return reasons[http] ?? "Unknown";
}

function hasReason(thrown: unknown, ...reasons: string[]): boolean {
  return thrown instanceof KubeError && reasons.includes(thrown.code);
}

/** The object, or the resource itself, is not there. */
export const isNotFound = (thrown: unknown): boolean => hasReason(thrown, "NotFound");

/** Whether the object, or the request, is larger than the server takes. */
export const isTooLarge = (thrown: unknown): boolean => hasReason(thrown, "RequestEntityTooLarge");

/** The user has no right to it. */
export const isForbidden = (thrown: unknown): boolean => hasReason(thrown, "Forbidden");

/** Resolves with the object, or undefined when it or its resource does not exist. */
export async function undefinedIfNotFound<T>(read: Promise<T>): Promise<T | undefined> {
  return tolerate(read, isNotFound);
}

/** The object was changed since it was read, or a precondition does not hold. */
export const isConflict = (thrown: unknown): boolean => hasReason(thrown, "Conflict");

/** An object of that name is there already. */
export const isAlreadyExists = (thrown: unknown): boolean => hasReason(thrown, "AlreadyExists");

/**
 * Waits for a write that is not needed any more when the object is gone, was changed, or was made
 * already.
 */
export async function ignoreLostRace(write: Promise<unknown>): Promise<void> {
  await tolerate(
    write,
    (thrown) => isNotFound(thrown) || isConflict(thrown) || isAlreadyExists(thrown),
  );
}

/** The revision asked for is gone from the server's history: list again. */
export const isExpired = (thrown: unknown): boolean => hasReason(thrown, "Expired", "Gone");

/** The object was refused because its namespace is being deleted. */
export function isNamespaceTerminating(thrown: unknown): boolean {
  if (!hasReason(thrown, "Forbidden")) return false;
  const causes = (thrown as KubeError).status.details?.causes ?? [];
  return causes.some((cause) => cause.reason === "NamespaceTerminating");
}

/** The server has not processed the request, and reports that: it may go again. */
export const REFUSED_STREAM = "EREFUSEDSTREAM";

/** A kept connection that the server was closing: a request that only reads may go again. */
export const STALE_CONNECTION = "ESTALECONNECTION";
