import type { SubjectAccessReviewStatus } from "@raft2kube/api/gen/authorization/v1.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Program } from "@raft2kube/cel/environment.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { compileExpression } from "../../authn/expression.ts";
import { ownerOfUser } from "../../authn/owner.ts";
import { AUTHORIZATION_CACHE_ENTRIES_MAX, AUTHORIZATION_CACHED_CHARS_MAX } from "../../limits.ts";
import type { AuthorizationMetrics } from "../../metrics/access.ts";
import { AnswerCache } from "../../webhook/answer-cache.ts";
import { RemoteServer } from "../../webhook/remote.ts";
import { askReview, type ReviewOptions } from "../../webhook/review.ts";
import {
  type Attributes,
  type AuthorizerPlugin,
  type Decision,
  NO_OPINION,
} from "../attributes.ts";
import type { AuthorizationWebhook } from "../config.ts";
import { CONDITIONS_SCOPE, matches } from "./match-conditions.ts";
import { type Spec, sentSpec, specOf } from "./review-of.ts";

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
  readonly #conditions: readonly Program[];
  readonly #known: AnswerCache<Decision>;

  constructor(name: string, webhook: AuthorizationWebhook, parts: Parts) {
    this.name = name;
    this.#webhook = webhook;
    this.#parts = parts;
    this.#server = new RemoteServer(webhook.access, parts.clock);
    this.#known = new AnswerCache(parts.clock, AUTHORIZATION_CACHE_ENTRIES_MAX);
    const refuse = (why: string) => assert(false, `a condition does not compile: ${why}`) as never;
    this.#conditions = webhook.conditions.map((text) =>
      compileExpression(CONDITIONS_SCOPE, text, true, refuse),
    );
  }

  async decide(attributes: Attributes): Promise<Decision> {
    const spec = specOf(attributes);
    const skipped = this.#skips(spec);
    if (skipped !== undefined) return skipped;
    const sent = sentSpec(spec);
    const known = this.#known.get(sent);
    if (known !== undefined) return known.answer;
    const { metrics } = this.#parts;
    let result = "error";
    const attempted = (now: string, seconds: number) => {
      result = now;
      metrics.webhookAsked({ name: this.name, result }, seconds);
    };
    try {
      const decision = await this.#ask(sent, attributes, attempted);
      this.#keep(sent, decision);
      return decision;
    } catch (thrown) {
      if (thrown instanceof ApiError) throw thrown;
      const reason = messageOf(thrown);
      log.warn("a webhook that authorizes gave no answer", { name: this.name, reason });
      if (this.#webhook.onFailure === "NoOpinion") {
        metrics.failedOpen.of({ name: this.name, result }).add();
      }
      return this.#failed(reason);
    }
  }

  async #ask(
    sent: object,
    { user, asker }: Attributes,
    attempted: NonNullable<ReviewOptions["attempted"]>,
  ): Promise<Decision> {
    const { version, timeout_ms } = this.#webhook;
    const spec = version === "v1" ? sent : inBeta(sent);
    // By name alone: a review names groups of its author's choice.
    const owner = asker ?? { name: ownerOfUser(user).name };
    const review = { kind: "SubjectAccessReview", version, spec } as const;
    const call = { clock: this.#parts.clock, timeout_ms, owner, attempted };
    return decisionIn(await askReview<SubjectAccessReviewStatus>(this.#server, review, call));
  }

  close(): void {
    this.#server.close();
  }

  /** The decision without a call, where conditions exclude one or cannot be evaluated. */
  #skips(spec: Spec): Decision | undefined {
    if (this.#conditions.length === 0) return undefined;
    const { clock, metrics } = this.#parts;
    const took_s = stopwatch(clock);
    const { outcome, error = "" } = matches(this.#conditions, spec);
    metrics.conditionsEvaluated(this.name, took_s(), outcome);
    if (outcome === "error") return this.#failed(error);
    return outcome === "match" ? undefined : NO_OPINION;
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
function inBeta({ groups, ...spec }: { readonly groups?: unknown }): object {
  return groups === undefined ? spec : { ...spec, group: groups };
}

/** Only a `true` allows; a webhook that both allows and denies denies. */
function decisionIn({ allowed, denied, reason = "" }: SubjectAccessReviewStatus): Decision {
  if (denied === true) {
    const error = "webhook subject access review returned both allow and deny response";
    return { verdict: "deny", reason, ...(allowed ? { error } : {}) };
  }
  return { verdict: allowed ? "allow" : "no-opinion", reason };
}
