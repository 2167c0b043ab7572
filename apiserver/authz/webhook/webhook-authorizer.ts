import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { ownerOfUser } from "../../authn/owner.ts";
import { AUTHORIZATION_CACHE_ENTRIES_MAX, AUTHORIZATION_CACHED_CHARS_MAX } from "../../limits.ts";
import type { AuthorizationMetrics } from "../../metrics/access.ts";
import { AnswerCache } from "../../webhook/answer-cache.ts";
import { RemoteServer } from "../../webhook/remote.ts";
import { askReview, type ReviewOutcome } from "../../webhook/review.ts";
import {
  type Attributes,
  type AuthorizerPlugin,
  type Decision,
  NO_OPINION,
} from "../attributes.ts";
import type { AuthorizationWebhook } from "../config.ts";
import { compileCondition, matches } from "./match-conditions.ts";
import { specOf } from "./review-of.ts";

const log = logger("apiserver");

type Parts = { readonly clock: Clock; readonly metrics: AuthorizationMetrics };

/**
 * Asks a webhook by SubjectAccessReviews (upstream's plugin/pkg/authorizer/webhook). Its answers
 * are known for a while; requests that wait for it are bounded, in all and of each user: others
 * are refused (429), regardless of the failure policy.
 */
export class WebhookAuthorizer implements AuthorizerPlugin {
  readonly type = "Webhook";
  readonly name: string;
  readonly #webhook: AuthorizationWebhook;
  readonly #parts: Parts;
  readonly #server: RemoteServer;
  readonly #conditions: readonly ReturnType<typeof compileCondition>[];
  readonly #known: AnswerCache<Decision>;

  constructor(name: string, webhook: AuthorizationWebhook, parts: Parts) {
    this.name = name;
    this.#webhook = webhook;
    this.#parts = parts;
    this.#server = new RemoteServer(webhook.access, parts.clock);
    this.#known = new AnswerCache(parts.clock, AUTHORIZATION_CACHE_ENTRIES_MAX);
    this.#conditions = webhook.conditions.map((text) =>
      compileCondition(
        text,
        (why) => assert(false, `a condition was read that does not compile: ${why}`) as never,
      ),
    );
  }

  async decide(attributes: Attributes): Promise<Decision> {
    const spec = specOf(attributes);
    const skipped = this.#skips(spec);
    if (skipped !== undefined) return skipped;
    const known = this.#known.get(spec);
    if (known !== undefined) return known.answer;
    let outcome: ReviewOutcome = "error";
    try {
      const status = await askReview(
        this.#server,
        {
          apiVersion: `authorization.k8s.io/${this.#webhook.version}`,
          kind: "SubjectAccessReview",
          spec: this.#webhook.version === "v1" ? spec : inBeta(spec),
        },
        {
          clock: this.#parts.clock,
          timeout_ms: this.#webhook.timeout_ms,
          // By name alone: a review names groups of its author's choice.
          owner: attributes.asker ?? { name: ownerOfUser(attributes.user).name },
          attempted: (now, http, seconds) => {
            outcome = now;
            this.#parts.metrics.askedWebhook(this.name, now, http, seconds);
          },
        },
      );
      const decision = decisionIn(status);
      this.#keep(spec, decision);
      return decision;
    } catch (thrown) {
      if (thrown instanceof ApiError) throw thrown;
      log.warn("a webhook that authorizes gave no answer", {
        name: this.name,
        reason: messageOf(thrown),
      });
      if (this.#webhook.onFailure === "NoOpinion") {
        this.#parts.metrics.webhookFailedOpen(this.name, outcome);
      }
      return this.#failed(messageOf(thrown));
    }
  }

  close(): void {
    this.#server.close();
  }

  /** The decision without a call, where conditions exclude one or cannot be evaluated. */
  #skips(spec: ReturnType<typeof specOf>): Decision | undefined {
    if (this.#conditions.length === 0) return undefined;
    const { clock, metrics } = this.#parts;
    const from_ms = clock.monotonic();
    const result = matches(this.#conditions, spec);
    const seconds = (clock.monotonic() - from_ms) / 1_000;
    metrics.conditionsEvaluated(
      this.name,
      seconds,
      result.error !== undefined ? "error" : result.matches ? "match" : "exclusion",
    );
    if (result.error !== undefined) return this.#failed(result.error);
    return result.matches ? undefined : NO_OPINION;
  }

  #failed(error: string): Decision {
    const verdict = this.#webhook.onFailure === "Deny" ? "deny" : "no-opinion";
    return { verdict, reason: "", error };
  }

  #keep(spec: object, decision: Decision): void {
    const { authorized_ms, unauthorized_ms } = this.#webhook;
    if (JSON.stringify(spec).length > AUTHORIZATION_CACHED_CHARS_MAX) return;
    this.#known.set(spec, decision, decision.verdict === "allow" ? authorized_ms : unauthorized_ms);
  }
}

/** `v1beta1` names the groups otherwise. */
function inBeta({ groups, ...spec }: ReturnType<typeof specOf>): object {
  return groups === undefined ? spec : { ...spec, group: groups };
}

/** Only a `true` allows; a webhook that both allows and denies denies. */
function decisionIn(status: Readonly<Record<string, unknown>>): Decision {
  const reason = typeof status["reason"] === "string" ? status["reason"] : "";
  const allowed = status["allowed"] === true;
  if (status["denied"] === true) {
    const error = "webhook subject access review returned both allow and deny response";
    return { verdict: "deny", reason, ...(allowed ? { error } : {}) };
  }
  return { verdict: allowed ? "allow" : "no-opinion", reason };
}
