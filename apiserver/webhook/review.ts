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
  readonly apiVersion: string;
  readonly kind: "TokenReview" | "SubjectAccessReview";
  readonly spec: object;
  /** The schema of the answer's status. */
  readonly status:
    | "authentication/v1.TokenReviewStatus"
    | "authorization/v1.SubjectAccessReviewStatus";
}

export interface ReviewOptions {
  readonly clock: Clock;
  /** The time of each attempt. */
  readonly timeout_ms: number;
  readonly owner: Owner;
  /** Called after each attempt. */
  attempted?(outcome: ReviewOutcome, seconds: number): void;
}

export type ReviewOutcome = "success" | "timeout" | "error";

/** Statuses after which upstream's client tries again. */
const AGAIN: ReadonlySet<number> = new Set([429, 500, 504]);

/** Returns the status of the answer to a review. Throws WebhookError. */
export async function askReview<T>(
  server: RemoteServer,
  review: Review,
  options: ReviewOptions,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask<T>(server, review, options);
    } catch (thrown) {
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
  review: Review,
  { clock, timeout_ms, owner, attempted }: ReviewOptions,
): Promise<T> {
  const took_s = stopwatch(clock);
  let outcome: ReviewOutcome = "error";
  try {
    const query = `?timeout=${formatDuration(BigInt(timeout_ms) * 1_000_000n)}`;
    const body = { ...review, metadata: {}, status: {} };
    const answer = await server.post(body, query, {
      timeout_ms,
      owner,
      bytes_max: REVIEW_BYTES_MAX,
    });
    const { status: http } = answer;
    const text = answer.body.toString("utf8");
    if (!isSuccess(http)) {
      throw new WebhookError(statusError(http, text.trim()), { http });
    }
    const status = statusIn<T>(text, review);
    outcome = "success";
    return status;
  } catch (thrown) {
    if (thrown instanceof WebhookError && thrown.isEnded) outcome = "timeout";
    throw thrown;
  } finally {
    attempted?.(outcome, took_s());
  }
}

function statusIn<T>(text: string, { apiVersion, kind, status }: Review): T {
  const wrong = (why: string, cause?: unknown) =>
    new WebhookError(`the webhook answered with ${why}`, { cause });
  try {
    const answer: unknown = JSON.parse(text);
    if (isObject(answer) && answer["kind"] === kind && answer["apiVersion"] === apiVersion) {
      return decodeJson<T>(status, answer["status"] ?? {}).object;
    }
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError || thrown instanceof DecodeError)) throw thrown;
    throw wrong(`what makes no sense: ${thrown.message}`, thrown);
  }
  throw wrong(`no ${kind} of ${apiVersion}`);
}
