import type { MutatingAdmissionPolicyBinding } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Json } from "@raft2kube/apimachinery/json/json.ts";
import { isError } from "@raft2kube/cel/value.ts";
import { isExempt } from "../attributes.ts";
import type { AdmissionContext } from "../context.ts";
import { BudgetError } from "../expressions/evaluation.ts";
import { versioned } from "../matching/versions.ts";
import { takeMutation } from "../mutation.ts";
import { type AdmissionPlugin, type AdmissionRequest, refusal } from "../plugin.ts";
import { type Invocation, PolicyDispatch } from "./dispatch.ts";
import { PatchError } from "./errors.ts";
import { withApplied, withOperations } from "./patches.ts";

const NAME = "MutatingAdmissionPolicy";

type Binding = MutatingAdmissionPolicyBinding & KubeObject;
type Mutations = Invocation<Binding>;

/** Lets MutatingAdmissionPolicies change objects, one after the other. */
export function mutatingAdmissionPolicy(context: AdmissionContext): AdmissionPlugin {
  const { admissionPolicies: policies } = context;
  const dispatch = new PolicyDispatch(context, "admit");
  return {
    name: NAME,
    admit(request) {
      if (policies.mutating.length === 0 || isExempt(request)) return;
      return admit(request);
    },
  };

  async function admit(request: AdmissionRequest): Promise<void> {
    const { reinvocation } = request;
    const callers = reinvocation.of(NAME);
    if (reinvocation.isSecond) callers.resumed(request.object);
    const { invocations, misconfigured } = await dispatch.select(policies.mutating, request);
    const failures = misconfigured.map(({ policy, binding, message }) => ({
      policy,
      binding: binding?.metadata.name,
      message,
    }));
    for (const invocation of invocations) {
      const { policy, binding } = invocation;
      const uid = keyOf(invocation);
      if (reinvocation.isSecond && !callers.isCalledAgain(uid)) continue;
      const { changed, errors } = await mutate(dispatch, invocation, request);
      failures.push(
        ...errors.map((message) => ({ policy, binding: binding.metadata.name, message })),
      );
      if (changed) {
        callers.changed();
        reinvocation.isRequested = true;
      }
      if (policy.spec.reinvocationPolicy === "IfNeeded") callers.called(uid);
    }
    callers.ended(request.object);
    const messages = failures
      .filter(({ policy }) => policy.spec.failurePolicy !== "Ignore")
      .map(({ policy, binding, message }) =>
        binding === undefined
          ? `policy ${JSON.stringify(policy.name)} denied request: ${message}`
          : `policy '${policy.name}' with binding '${binding}' denied request: ${message}`,
      );
    if (messages.length > 0) throw denied(request, messages);
  }
}

const keyOf = ({ policy, binding, params }: Mutations): string =>
  [policy.name, binding.metadata.name, params?.metadata.namespace, params?.metadata.name].join("/");

/** Applies the mutations of a policy in order, each to the object as those before left it. */
async function mutate(
  dispatch: PolicyDispatch,
  invocation: Mutations,
  request: AdmissionRequest,
): Promise<{ changed: boolean; errors: string[] }> {
  const { policy, kind, matched } = invocation;
  const errors: string[] = [];
  let changed = false;
  await dispatch.proceed(request);
  const before = await versioned(request, kind);
  const { holds, error } = await dispatch.holds(invocation, request, before);
  if (error !== undefined) return { changed, errors: [error] };
  if (!holds || request.object === undefined) return { changed, errors };
  for (const { mutation, expression } of dispatch.expressions(policy, request).mutations) {
    await dispatch.proceed(request);
    const objects = await versioned(request, kind);
    const evaluation = dispatch.evaluation(invocation, request, objects);
    try {
      const made = await evaluation.evaluate(expression);
      if (isError(made)) throw new PatchError(made.message);
      const next: Json =
        mutation.patchType === "JSONPatch"
          ? withOperations(objects.object!, made)
          : withApplied(kind, objects.object!, made);
      if (await takeMutation(request, matched, kind, next)) changed = true;
    } catch (thrown) {
      const isKnown = thrown instanceof PatchError || thrown instanceof BudgetError;
      if (!isKnown) throw thrown;
      errors.push(thrown.message);
    }
  }
  return { changed, errors };
}

/** 403 with all messages, the first as the error's own. */
function denied(request: AdmissionRequest, messages: readonly string[]): ApiError {
  const { details } = refusal(request, "").status;
  const causes = messages.map((message) => ({ message }));
  const [message = ""] = messages;
  return new ApiError({ code: 403, reason: "Invalid", message, details: { ...details, causes } });
}
