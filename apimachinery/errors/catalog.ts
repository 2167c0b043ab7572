import { describe, type FieldError } from "@raft2kube/api/errors.ts";
import type { StatusCause } from "@raft2kube/api/gen/meta/v1.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import { FINDINGS_CHARS_MAX } from "../limits.ts";
import { ApiError, type Status } from "./api-error.ts";

/**
 * The subject of an error: the resource (`deployments`, `apps`) or the kind (`Deployment`, `apps`).
 */
export type GroupName = { group: string; name: string };

/** `deployments.apps`, or `pods` for the core group. */
export function qualified(subject: GroupName): string {
  return subject.group === "" ? subject.name : `${subject.name}.${subject.group}`;
}

const about = (resource: GroupName, name: string) => ({
  ...(name === "" ? {} : { name }),
  ...(resource.group === "" ? {} : { group: resource.group }),
  ...(resource.name === "" ? {} : { kind: resource.name }),
});

// The texts and codes are those of apimachinery's pkg/api/errors: clients compare them.

export function notFound(resource: GroupName, name: string): ApiError {
  return new ApiError({
    code: 404,
    reason: "NotFound",
    message: `${qualified(resource)} "${name}" not found`,
    details: about(resource, name),
  });
}

export function alreadyExists(resource: GroupName, name: string): ApiError {
  return new ApiError({
    code: 409,
    reason: "AlreadyExists",
    message: `${qualified(resource)} "${name}" already exists`,
    details: about(resource, name),
  });
}

export function conflict(resource: GroupName, name: string, why: string): ApiError {
  return new ApiError({
    code: 409,
    reason: "Conflict",
    message: `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    details: about(resource, name),
  });
}

export const MODIFIED =
  "the object has been modified; please apply your changes to the latest version and try again";

export function forbidden(resource: GroupName, name: string, why: string): ApiError {
  const what = name === "" ? qualified(resource) : `${qualified(resource)} "${name}"`;
  return new ApiError({
    code: 403,
    reason: "Forbidden",
    message: resource.name === "" ? `forbidden: ${why}` : `${what} is forbidden: ${why}`,
    details: about(resource, name),
  });
}

/**
 * 422, with the findings as causes up to FINDINGS_CHARS_MAX; `kind` is the kind, not the resource.
 */
export function invalid(kind: GroupName, name: string, findings: readonly FieldError[]): ApiError {
  const causes: StatusCause[] = [];
  let chars = 0;
  for (const finding of findings) {
    const { body: message, characters } = describe(finding);
    causes.push({ reason: finding.type, message, field: finding.field });
    chars += characters;
    if (chars > FINDINGS_CHARS_MAX) break;
  }
  const lines = [...new Set(causes.map(({ field, message }) => `${field}: ${message}`))];
  const left = findings.length - causes.length;
  if (left > 0) lines.push(`${left} more`);
  const whole = aggregateOf(lines);
  return new ApiError({
    code: 422,
    reason: "Invalid",
    message: `${qualified(kind)} "${name}" is invalid${lines.length === 0 ? "" : `: ${whole}`}`,
    details: { ...about(kind, name), causes },
  });
}

export function unauthorized(): ApiError {
  return new ApiError({ code: 401, reason: "Unauthorized", message: "Unauthorized" });
}

export function badRequest(message: string): ApiError {
  return new ApiError({ code: 400, reason: "BadRequest", message });
}

/** 405: the path is there, and does not take this method. */
export function methodNotAllowed(
  message = "the server does not allow this method on the requested resource",
  details: NonNullable<Status["details"]> = {},
): ApiError {
  return new ApiError({ code: 405, reason: "MethodNotAllowed", message, details });
}

/** 406 for a form of answer that this object has not. */
export function notAcceptable(offered: readonly string[]): ApiError {
  return notAcceptableBecause(`only the following media types are accepted: ${offered.join(", ")}`);
}

export function notAcceptableBecause(message: string): ApiError {
  return new ApiError({ code: 406, reason: "NotAcceptable", message });
}

/** 406 for a type of answer that nothing at this path has. */
export function notProduced(types: readonly string[]): ApiError {
  return new ApiError({
    code: 406,
    reason: "NotAcceptable",
    message: `406: Not Acceptable\n\nAvailable representations: ${types.join(", ")}`,
    details: {},
  });
}

/** 415 for a patch of a type that there is not. */
export function unsupportedPatchType(): ApiError {
  return new ApiError({
    code: 415,
    reason: "UnsupportedMediaType",
    message: "415: Unsupported Media Type",
    details: {},
  });
}

export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  return new ApiError({
    code: 415,
    reason: "UnsupportedMediaType",
    message:
      "the body of the request was in an unknown format - " +
      `accepted media types include: ${accepted.join(", ")}`,
  });
}

export function bodyTooLarge(limit_bytes: number): ApiError {
  return new ApiError({
    code: 413,
    reason: "RequestEntityTooLarge",
    message: `Request entity too large: limit is ${limit_bytes}`,
  });
}

/** 413 for an object that the store refuses for its size; `why` is the store's reason. */
export function objectTooLarge(why: string): ApiError {
  return new ApiError({
    code: 413,
    reason: "RequestEntityTooLarge",
    message:
      "Request entity too large: the object with its metadata is larger than what the store " +
      `takes (${why}): make it smaller or split it`,
  });
}

/** 410: the revision asked for is no longer held; the client must list again. */
export function expired(message: string, next?: string): ApiError {
  return new ApiError({
    code: 410,
    reason: "Expired",
    message,
    ...(next === undefined ? {} : { continue: next }),
  });
}

/** 504 for a revision that this cluster has not reached. */
export function revisionTooLarge(asked: number, current: number): ApiError {
  return new ApiError({
    code: 504,
    reason: "Timeout",
    message: `Timeout: Too large resource version: ${asked}, current: ${current}`,
    details: {
      causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
      retryAfterSeconds: 1,
    },
  });
}

export function timeout(message: string): ApiError {
  const whole = `Timeout: ${message}`;
  return new ApiError({ code: 504, reason: "Timeout", message: whole, details: {} });
}

/** 429: as many requests as this server works on at a time are under way. */
/** The client is to try again after some seconds. */
export function tooMany(retry_s = 1): ApiError {
  return new ApiError({
    code: 429,
    reason: "TooManyRequests",
    message: "Too many requests, please try again later.",
    details: { retryAfterSeconds: retry_s },
  });
}

export function serviceUnavailable(message: string): ApiError {
  return new ApiError({ code: 503, reason: "ServiceUnavailable", message });
}

export function internal(message: string): ApiError {
  return new ApiError({
    code: 500,
    reason: "InternalError",
    message: `Internal error occurred: ${message}`,
    details: { causes: [{ message }] },
  });
}

/** 404 for a resource or subresource that this server does not have. */
export function noSuchResource(why?: string): ApiError {
  const message = "the server could not find the requested resource";
  return new ApiError({
    code: 404,
    reason: "NotFound",
    message: why === undefined ? message : `${message}: ${why}`,
    details: {},
  });
}
