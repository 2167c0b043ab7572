import { formatDuration } from "@raft2kube/api/duration.ts";
import { isObject, type JsonObject } from "@raft2kube/apimachinery/json/json.ts";
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
}

export interface ReviewOptions {
  readonly clock: Clock;
  /** The time of each attempt. */
  readonly timeout_ms: number;
  readonly owner: Owner;
  /** Called after each attempt: its HTTP status, 0 where there was none. */
  attempted?(outcome: ReviewOutcome, http: number, seconds: number): void;
}

export type ReviewOutcome = "success" | "timeout" | "error";

/** Statuses after which upstream's client tries again. */
const AGAIN: ReadonlySet<number> = new Set([429, 500, 504]);

/** Returns the status of the answer to a review. Throws WebhookError. */
export async function askReview(
  server: RemoteServer,
  review: Review,
  options: ReviewOptions,
): Promise<JsonObject> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask(server, review, options);
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

async function ask(
  server: RemoteServer,
  review: Review,
  { clock, timeout_ms, owner, attempted }: ReviewOptions,
): Promise<JsonObject> {
  const took_s = stopwatch(clock);
  let outcome: ReviewOutcome = "error";
  let http = 0;
  try {
    const query = `?timeout=${formatDuration(BigInt(timeout_ms) * 1_000_000n)}`;
    const body = { metadata: {}, ...review, status: {} };
    const answer = await server.post(body, query, {
      timeout_ms,
      owner,
      bytes_max: REVIEW_BYTES_MAX,
    });
    http = answer.status;
    const text = answer.body.toString("utf8");
    if (!isSuccess(http)) {
      throw new WebhookError(statusError(http, text.trim()), { http });
    }
    const status = statusIn(text, review);
    outcome = "success";
    return status;
  } catch (thrown) {
    if (thrown instanceof WebhookError && thrown.isEnded) outcome = "timeout";
    throw thrown;
  } finally {
    attempted?.(outcome, http, took_s());
  }
}

function statusIn(text: string, { apiVersion, kind }: Review): JsonObject {
  const wrong = (why: string) => new WebhookError(`the webhook answered with ${why}`);
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new WebhookError("the webhook did not answer with JSON", { cause });
  }
  if (!isObject(answer)) throw wrong("no object");
  if (answer["kind"] !== kind || answer["apiVersion"] !== apiVersion) {
    throw wrong(
      `${JSON.stringify(answer["kind"])} of ${JSON.stringify(answer["apiVersion"])}, ` +
        `not ${kind} of ${apiVersion}`,
    );
  }
  const status = answer["status"] ?? {};
  if (!isObject(status)) throw wrong("a status that is no object");
  return status;
}

/** A field of a status that is a list of texts, empty where it is missing. */
export function textsIn(value: unknown, field: string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw new WebhookError(`the webhook answered with ${field} that is no list of texts`);
}
