import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { formatDuration } from "@raft2kube/api/duration.ts";
import { isObject } from "@raft2kube/apimachinery/json/json.ts";
import { pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { REVIEW_ATTEMPTS_MAX, REVIEW_BYTES_MAX, REVIEW_PAUSES } from "../limits.ts";
import { statusError, WebhookError } from "./errors.ts";
import { isSuccess } from "./exchange.ts";
import type { RemoteServer } from "./remote.ts";

/** A question to a webhook that authenticates or authorizes: an object with a status. */
export interface Review {
  readonly kind: keyof typeof STATUSES;
  /** The group's version that the webhook speaks. */
  readonly version: "v1" | "v1beta1";
  readonly spec: object;
}

/** The schemas of the answers' statuses. */
const STATUSES = {
  TokenReview: "authentication/v1.TokenReviewStatus",
  SubjectAccessReview: "authorization/v1.SubjectAccessReviewStatus",
} as const;

export interface ReviewOptions {
  readonly clock: Clock;
  /** The time of each attempt. */
  readonly timeout_ms: number;
  readonly owner: Owner;
  /** Called after each attempt. */
  attempted?(result: "success" | "timeout" | "error", seconds: number): void;
}

/** Statuses after which upstream's client tries again. */
const AGAIN: ReadonlySet<number> = new Set([429, 500, 504]);

/** Returns the status of the answer to a review. Throws WebhookError. */
export async function askReview<T>(
  server: RemoteServer,
  review: Review,
  options: ReviewOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const took_s = stopwatch(options.clock);
    try {
      const status = await ask<T>(server, review, options);
      options.attempted?.("success", took_s());
      return status;
    } catch (thrown) {
      const isLate = thrown instanceof WebhookError && thrown.isEnded;
      options.attempted?.(isLate ? "timeout" : "error", took_s());
      if (attempt >= REVIEW_ATTEMPTS_MAX || !isTransient(thrown)) throw thrown;
    }
    await delay(options.clock, pauseAfter(attempt, REVIEW_PAUSES));
  }
}

function isTransient(thrown: unknown): boolean {
  if (!(thrown instanceof WebhookError) || thrown.isEnded) return false;
  return AGAIN.has(thrown.http) || codeOf(thrown.cause) === "ECONNRESET";
}

async function ask<T>(
  server: RemoteServer,
  { kind, version, spec }: Review,
  { timeout_ms, owner }: ReviewOptions,
): Promise<T> {
  const schema = STATUSES[kind];
  const apiVersion = `${schema.slice(0, schema.indexOf("/"))}.k8s.io/${version}`;
  const query = `?timeout=${formatDuration(BigInt(timeout_ms) * 1_000_000n)}`;
  const body = { apiVersion, kind, spec, metadata: {}, status: {} };
  const call = { timeout_ms, owner, bytes_max: REVIEW_BYTES_MAX };
  const answer = await server.post(body, query, call);
  const { status: http } = answer;
  const text = answer.body.toString("utf8");
  if (!isSuccess(http)) throw new WebhookError(statusError(http, text.trim()), { http });
  const wrong = (why: string, cause?: unknown) =>
    new WebhookError(`the webhook answered with ${why}`, { cause });
  try {
    const review: unknown = JSON.parse(text);
    if (isObject(review) && review["kind"] === kind && review["apiVersion"] === apiVersion) {
      return decodeJson<T>(schema, review["status"] ?? {}).object;
    }
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError || thrown instanceof DecodeError)) throw thrown;
    throw wrong(`what makes no sense: ${thrown.message}`, thrown);
  }
  throw wrong(`no ${kind} of ${apiVersion}`);
}
