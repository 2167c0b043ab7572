import { setImmediate as nextTurn } from "node:timers/promises";
import type { MatchResources, ParamRef } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { timeout } from "@raft2kube/apimachinery/errors/catalog.ts";
import { MATCH_CONDITIONS_COST_MAX, POLICY_COST_MAX } from "../../limits.ts";
import type { Pass } from "../../metrics/admission.ts";
import { type Attributes, attributesOf } from "../attributes.ts";
import type { AdmissionContext } from "../context.ts";
import { Evaluation, type Inputs } from "../expressions/evaluation.ts";
import { matchCriteria } from "../matching/criteria.ts";
import { NamespaceSelectors } from "../matching/selectors.ts";
import { attributesIn, type Versioned, versioned } from "../matching/versions.ts";
import type { AdmissionRequest } from "../plugin.ts";
import type { CompiledPolicy, Expressions } from "./compiled.ts";
import { ConfigurationError, collectParams } from "./params.ts";

type Binding = KubeObject & { spec: { paramRef?: ParamRef; matchResources?: MatchResources } };

/** A policy that cannot be applied, as it is configured. */
export interface Misconfigured<B> {
  readonly policy: CompiledPolicy;
  readonly binding: B | undefined;
  readonly message: string;
}

/** One evaluation of a policy: with one binding and one object of parameters. */
export interface Invocation<B> {
  readonly policy: CompiledPolicy;
  readonly binding: B;
  readonly matched: Attributes;
  readonly kind: Kind;
  readonly namespace: Readonly<KubeObject> | undefined;
  readonly params: Readonly<KubeObject> | null;
}

/** A request in the version that a policy matched. */
interface Place {
  readonly request: AdmissionRequest;
  readonly asked: Attributes;
  readonly matched: Attributes;
  readonly kind: Kind;
}

/** Finds the policies that are about requests, and evaluates their conditions. */
export class PolicyDispatch {
  readonly #context: AdmissionContext;
  readonly #namespaces: NamespaceSelectors;
  readonly #pass: Pass;

  constructor(context: AdmissionContext, pass: Pass) {
    this.#context = context;
    this.#namespaces = new NamespaceSelectors(context);
    this.#pass = pass;
  }

  /** The evaluations that a request needs, in order, and the policies that cannot be applied. */
  async select<B extends Binding>(
    policies: readonly (readonly [CompiledPolicy, readonly B[]])[],
    request: AdmissionRequest,
  ): Promise<{ invocations: Invocation<B>[]; misconfigured: Misconfigured<B>[] }> {
    const asked = attributesOf(request);
    const invocations: Invocation<B>[] = [];
    const add = async (policy: CompiledPolicy, binding: B, at: Place) =>
      void invocations.push(...(await this.#bind(policy, binding, at)));
    const misconfigured: Misconfigured<B>[] = [];
    for (const [policy, bindings] of policies) {
      let bound: B | undefined;
      try {
        const kind = await this.#matches(policy.spec.matchConstraints, request, asked);
        if (kind === undefined) continue;
        const matched = kind === request.resource.kind ? asked : attributesIn(asked, kind);
        for (const binding of bindings) {
          bound = binding;
          try {
            await add(policy, binding, { request, asked, matched, kind });
          } catch (thrown) {
            const message = configurationMessage(thrown, "binding");
            misconfigured.push({ policy, binding, message });
          }
        }
      } catch (thrown) {
        const message = configurationMessage(thrown, "policy");
        misconfigured.push({ policy, binding: bound, message });
      }
    }
    return { invocations, misconfigured };
  }

  async #bind<B extends Binding>(
    policy: CompiledPolicy,
    binding: B,
    { request, asked, matched, kind }: Place,
  ): Promise<Invocation<B>[]> {
    const { matchResources, paramRef } = binding.spec;
    if (matchResources && !(await this.#matches(matchResources, request, asked))) return [];
    const { resources } = this.#context;
    const all = await collectParams(resources, policy.spec.paramKind, paramRef, asked.namespace);
    const isNamespace = request.resource.kind.kind === "Namespace";
    const namespace = isNamespace ? undefined : await this.#namespaces.namespaceOf(asked);
    return all.map((params) => ({ policy, binding, matched, kind, namespace, params }));
  }

  async #matches(
    match: MatchResources = {},
    request: AdmissionRequest,
    asked: Attributes,
  ): Promise<Kind | undefined> {
    const { resources } = this.#context;
    return await matchCriteria({ resources, namespaces: this.#namespaces }, match, request, asked);
  }

  /** Whether the conditions of an invocation hold; their error when that is not known. */
  async holds<B>(
    invocation: Invocation<B>,
    request: AdmissionRequest,
    objects: Versioned,
  ): Promise<{ holds: boolean; error?: string }> {
    const { policy } = invocation;
    if (policy.conditions.isEmpty) return { holds: true };
    const { webhookMetrics: metrics } = this.#context;
    const { operation } = request;
    const labels = { name: policy.name, kind: "policy", type: this.#pass, operation };
    const evaluation = this.evaluation(invocation, request, objects, MATCH_CONDITIONS_COST_MAX);
    const { matches, error } = await policy.conditions.match(
      evaluation,
      policy.spec.failurePolicy,
      { metrics, labels },
    );
    if (error !== undefined) return { holds: false, error };
    if (!matches) metrics.excluded(labels);
    return { holds: matches };
  }

  /**
   * Comes before each evaluation: in the thread others have a turn, and a request that is over has
   * no more of them. Throws 504.
   */
  async proceed({ signal, deadline_ms = Infinity }: AdmissionRequest): Promise<void> {
    const { clock, steps_max } = this.#context;
    if (steps_max !== undefined) return;
    await nextTurn();
    if (!signal?.aborted && clock.monotonic() < deadline_ms) return;
    throw timeout("request did not complete within requested timeout");
  }

  /** Throws StepsExceededError on the event loop for a policy that takes long to compile. */
  expressions(policy: CompiledPolicy, { operation }: AdmissionRequest): Expressions {
    return policy.expressions(this.#context.steps_max !== undefined && operation !== "CONNECT");
  }

  /** The evaluation of an invocation's expressions on objects of a request. */
  evaluation<B>(
    { policy, matched, namespace, params }: Invocation<B>,
    request: AdmissionRequest,
    objects: Versioned,
    costMax = POLICY_COST_MAX,
  ): Evaluation {
    const inputs: Inputs = {
      request,
      shown: { asked: attributesOf(request), matched },
      objects,
      namespace,
      ...(policy.spec.paramKind !== undefined && { params }),
      variables: this.expressions(policy, request).variables,
    };
    return new Evaluation(this.#context, inputs, costMax);
  }
}

/** The objects of a request in the version that an invocation matched, made once for each. */
export function objectsFor(request: AdmissionRequest): (kind: Kind) => Promise<Versioned> {
  const made = new Map<Kind, Versioned>();
  return async (kind) => {
    const objects = made.get(kind) ?? (await versioned(request, kind));
    made.set(kind, objects);
    return objects;
  };
}

function configurationMessage(thrown: unknown, what: "policy" | "binding"): string {
  const isKnown = thrown instanceof ConfigurationError || thrown instanceof ApiError;
  if (!isKnown) throw thrown;
  return `failed to configure ${what}: ${thrown.message}`;
}
