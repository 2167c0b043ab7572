import type { ValidatingWebhook } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import { ApiError, type Status } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest, internal, timeout } from "@raft2kube/apimachinery/errors/catalog.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Attributes, traced } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { countValues } from "@raft2kube/std/count-values.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { ownerOfUser } from "../../authn/owner.ts";
import { VERDICT_VALUES_MAX } from "../../limits.ts";
import type { CalledHook, WebhookMetrics, WebhookPass } from "../../metrics/webhooks.ts";
import type { WebhookClient } from "../../webhook/client.ts";
import { WebhookError } from "../../webhook/errors.ts";
import type { Versioned } from "../matching/versions.ts";
import type { AdmissionRequest } from "../plugin.ts";
import type { Invocation } from "./match.ts";
import { ReviewError, readVerdict, reviewFor, reviewVersionOf, type Verdict } from "./review.ts";

const log = logger("apiserver");

const MS_PER_S = 1_000;
/** Upstream's default. */
const TIMEOUT_S = 10;

/** A call without a verdict, which the webhook's failure policy decides about. */
export class CallingError extends CodedError {
  readonly http: number;

  constructor({ name }: ValidatingWebhook, why: string, http: number, cause?: unknown) {
    super("CALLING_WEBHOOK", `failed calling webhook ${JSON.stringify(name)}: ${why}`, { cause });
    this.http = http;
  }
}

/** A webhook's refusal, as the client gets it. */
class Rejection extends CodedError {
  readonly error: ApiError;

  constructor(error: ApiError) {
    super("REJECTED", error.message);
    this.error = error;
  }
}

interface CallContext {
  readonly webhooks: WebhookClient;
  readonly clock: Clock;
  readonly webhookMetrics: WebhookMetrics;
}

/** The calls of webhooks in one of the two passes: with its failure policy, measured. */
export class HookCalls {
  readonly #context: CallContext;
  readonly #type: WebhookPass;

  constructor(context: CallContext, type: WebhookPass) {
    this.#context = context;
    this.#type = type;
  }

  /**
   * Asks a webhook about a request, and hands its verdict, if it allows it, to `accept`, whose
   * result is returned; undefined when the call failed and the failure policy ignores that.
   * `failedOpen` is the audit annotation that then says so. Throws the client's error.
   */
  async ask<T>(
    invocation: Invocation,
    request: AdmissionRequest,
    objects: Versioned,
    failedOpen: string,
    accept: (verdict: Verdict) => Promise<T> | T,
  ): Promise<T | undefined> {
    const { webhook } = invocation.hook;
    const { clock, webhookMetrics: metrics } = this.#context;
    const hook: CalledHook = { name: webhook.name, type: this.#type, operation: request.operation };
    const from_ms = clock.monotonic();
    const ended = (rejected: boolean, code: number) =>
      metrics.called(hook, (clock.monotonic() - from_ms) / MS_PER_S, rejected, code);
    try {
      const ask = () => this.#verdict(invocation, request, objects);
      const attributes = () => attributesOf(invocation, request);
      const verdict = await traced(SPANS[this.#type], ask, attributes);
      const accepted = await accept(verdict);
      ended(false, 200);
      return accepted;
    } catch (thrown) {
      // The request is repeated in another thread, which counts the call.
      if (thrown instanceof StepsExceededError) throw thrown;
      const isOver = request.signal?.aborted === true;
      if (thrown instanceof CallingError) {
        const isIgnored = webhook.failurePolicy === "Ignore";
        ended(!isIgnored, thrown.http);
        if (!isIgnored && !isOver) metrics.rejected(hook, "calling_webhook_error", thrown.http);
        log.warn("a call of a webhook failed", { open: isIgnored, reason: thrown.message });
        if (!isIgnored) throw internal(thrown.message);
        if (!isOver) metrics.failedOpen(hook);
        request.annotations.add(failedOpen, webhook.name);
        if (isOver || this.#leftOf(request) <= 0) throw outOfTime();
        return undefined;
      }
      const code = thrown instanceof Rejection ? thrown.error.http : 0;
      ended(true, code);
      const type = thrown instanceof Rejection ? "no_error" : "apiserver_internal_error";
      metrics.rejected(hook, type, code);
      throw thrown instanceof Rejection ? thrown.error : thrown;
    }
  }

  /** Milliseconds that are left of the request. */
  #leftOf({ deadline_ms = Infinity }: AdmissionRequest): number {
    return deadline_ms - this.#context.clock.monotonic();
  }

  async #verdict(
    invocation: Invocation,
    request: AdmissionRequest,
    objects: Versioned,
  ): Promise<Verdict> {
    const { webhook } = invocation.hook;
    const { name, sideEffects, clientConfig, timeoutSeconds = TIMEOUT_S } = webhook;
    if (request.dryRun && sideEffects !== "None" && sideEffects !== "NoneOnDryRun") {
      throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
    }
    const version = reviewVersionOf(webhook.admissionReviewVersions);
    if (version === undefined) {
      const why =
        "could not create admission objects: webhook does not " +
        "accept known AdmissionReview versions (v1, v1beta1)";
      throw new CallingError(webhook, why, 400);
    }
    const timeout_ms = Math.min(timeoutSeconds * MS_PER_S, this.#leftOf(request));
    if (timeout_ms <= 0) throw outOfTime();
    const { uid, body } = reviewFor(version, invocation, request, objects);
    let verdict: Verdict;
    try {
      const { signal, user } = request;
      // Some webhooks answer with the request beside their response.
      const values_max = VERDICT_VALUES_MAX + countValues(body);
      const options = { timeout_ms, signal, values_max };
      const { webhooks } = this.#context;
      const answer = await webhooks.post(clientConfig, body, options, ownerOfUser(user));
      verdict = readVerdict(version, uid, this.#type === "admit", answer);
    } catch (thrown) {
      throw callingError(webhook, thrown);
    }
    request.annotations.addAll(name, verdict.annotations);
    request.warnings.push(...verdict.warnings.slice(0, WARNINGS_MAX));
    if (!verdict.allowed) throw new Rejection(denied(name, verdict.result));
    return verdict;
  }
}

/** Upstream's names of the spans of calls. */
const SPANS: Readonly<Record<WebhookPass, string>> = {
  admit: "Call mutating webhook",
  validating: "Call validating webhook",
};

function attributesOf({ hook }: Invocation, { operation, resource }: AdmissionRequest): Attributes {
  const { group, version, plural } = resource.kind;
  return { webhook: hook.webhook.name, resource: `${group}/${version}, ${plural}`, operation };
}

/** Warnings that are taken of one answer: those of a request are cut at 4 KiB in any case. */
const WARNINGS_MAX = 256;

const outOfTime = (): ApiError => timeout("request did not complete within requested timeout");

function callingError(webhook: ValidatingWebhook, thrown: unknown): CallingError {
  if (thrown instanceof ReviewError) {
    const why = `received invalid webhook response: ${thrown.message}`;
    return new CallingError(webhook, why, 503, thrown);
  }
  if (!(thrown instanceof WebhookError)) throw thrown;
  const why = `failed to call webhook: ${messageOf(thrown)}`;
  return new CallingError(webhook, why, thrown.http, thrown);
}

/** A refusal with the status of the webhook, as far as it is one of an error. */
function denied(webhook: string, result: Partial<Status>): ApiError {
  const { code = 0, reason = "", message = "", details } = result;
  const by = `admission webhook ${JSON.stringify(webhook)} denied the request`;
  const why = message || reason;
  return new ApiError({
    code: Number.isInteger(code) && code >= 400 && code <= 599 ? code : 400,
    reason,
    message: why === "" ? `${by} without explanation` : `${by}: ${why}`,
    ...(details === undefined ? {} : { details }),
  });
}
