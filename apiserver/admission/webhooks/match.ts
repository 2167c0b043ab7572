import type { ValidatingWebhook } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { MATCH_CONDITIONS_COST_MAX } from "../../limits.ts";
import type { Pass } from "../../metrics/admission.ts";
import type { Attributes } from "../attributes.ts";
import type { AdmissionContext } from "../context.ts";
import { Evaluation } from "../expressions/evaluation.ts";
import { matchedKind } from "../matching/criteria.ts";
import { matchesObject, NamespaceSelectors } from "../matching/selectors.ts";
import { attributesIn, versioned } from "../matching/versions.ts";
import { type AdmissionRequest, refusal } from "../plugin.ts";
import type { Shown } from "../shown-request.ts";
import type { Hook } from "./configurations.ts";

/** One call of a webhook: the version of the request that it is sent. */
export interface Invocation<T extends ValidatingWebhook = ValidatingWebhook> extends Shown {
  readonly hook: Hook<T>;
  /** The kind of `matched`. */
  readonly kind: Kind;
}

/** Finds the webhooks that are to be asked about requests. */
export class HookMatcher {
  readonly #context: AdmissionContext;
  readonly #namespaces: NamespaceSelectors;
  readonly #pass: Pass;

  constructor(context: AdmissionContext, pass: Pass) {
    this.#context = context;
    this.#namespaces = new NamespaceSelectors(context);
    this.#pass = pass;
  }

  /**
   * The call that a webhook wants of a request; undefined when it is not about it. Throws 404 when
   * the labels of a namespace are needed that is not there, 403 when conditions fail.
   */
  async match<T extends ValidatingWebhook>(
    hook: Hook<T>,
    request: AdmissionRequest,
    asked: Attributes,
  ): Promise<Invocation<T> | undefined> {
    const { objectSelector, namespaceSelector, rules = [], matchPolicy } = hook.webhook;
    const { resources } = this.#context;
    const kind = matchedKind(resources, rules, matchPolicy, request, asked);
    if (kind === undefined || !matchesObject(objectSelector, request)) return undefined;
    if (!(await this.#namespaces.match(namespaceSelector, asked, request))) return undefined;
    const matched = kind === request.resource.kind ? asked : attributesIn(asked, kind);
    const invocation = { hook, asked, matched, kind };
    return (await this.#holds(invocation, request)) ? invocation : undefined;
  }

  /** Whether the webhook's conditions hold. */
  async #holds(
    { hook, asked, matched, kind }: Invocation,
    request: AdmissionRequest,
  ): Promise<boolean> {
    const { webhook, conditions } = hook;
    if (conditions.isEmpty) return true;
    const { webhookMetrics: metrics } = this.#context;
    const { operation } = request;
    const labels = { name: webhook.name, kind: "webhook", type: this.#pass, operation };
    const objects = await versioned(request, kind);
    const inputs = { request, shown: { asked, matched }, objects, namespace: undefined };
    const evaluation = new Evaluation(this.#context, inputs, MATCH_CONDITIONS_COST_MAX);
    const { failurePolicy } = webhook;
    const { matches, error } = await conditions.match(evaluation, failurePolicy, {
      metrics,
      labels,
    });
    if (error !== undefined) throw refusal(request, error);
    if (!matches) metrics.excluded(labels);
    return matches;
  }
}
