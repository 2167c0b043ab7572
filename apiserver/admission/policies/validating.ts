import type { ValidatingAdmissionPolicyBinding } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { isError } from "@raft2kube/cel/value.ts";
import { AUDIT_ANNOTATION_BYTES_MAX, EXPRESSION_MESSAGE_BYTES_MAX } from "../../limits.ts";
import type { PolicyMetrics } from "../../metrics/policies.ts";
import { isExempt } from "../attributes.ts";
import type { AdmissionContext } from "../context.ts";
import type { Expression } from "../expressions/environment.ts";
import { BudgetError, type Evaluation } from "../expressions/evaluation.ts";
import { type AdmissionPlugin, type AdmissionRequest, refusal } from "../plugin.ts";
import type { CompiledPolicy, Expressions } from "./compiled.ts";
import { type Invocation, objectsFor, PolicyDispatch } from "./dispatch.ts";

type Binding = ValidatingAdmissionPolicyBinding & KubeObject;

interface Finding {
  readonly message: string;
  readonly reason: string;
  /** The place among the validations. */
  readonly index: number;
}

interface Verdict {
  readonly findings: readonly Finding[];
  /** Audit annotations by key. */
  readonly annotations: ReadonlyMap<string, string>;
}

/** Evaluates ValidatingAdmissionPolicies. */
export function validatingAdmissionPolicy(context: AdmissionContext): AdmissionPlugin {
  const { admissionPolicies: policies, policyMetrics } = context;
  const dispatch = new PolicyDispatch(context, "validate");
  return {
    name: "ValidatingAdmissionPolicy",
    validate(request) {
      if (policies.validating.length === 0 || isExempt(request)) return;
      return validate(request);
    },
  };

  async function validate(request: AdmissionRequest): Promise<void> {
    const { invocations, misconfigured } = await dispatch.select(policies.validating, request);
    const denials = misconfigured
      .filter(({ policy }) => policy.spec.failurePolicy !== "Ignore")
      .map(({ policy, binding, message }) => ({
        policy: policy.name,
        binding: binding?.metadata.name,
        message,
        reason: "",
      }));
    const objectsIn = objectsFor(request);
    const published = new Map<string, Set<string>>();
    for (const invocation of invocations) {
      const { policy, binding, kind } = invocation;
      await dispatch.proceed(request);
      const objects = await objectsIn(kind);
      const { holds, error } = await dispatch.holds(invocation, request, objects);
      if (!holds && error === undefined) continue;
      const verdict =
        error === undefined
          ? await judge(
              policy,
              dispatch.expressions(policy, request),
              dispatch.evaluation(invocation, request, objects),
            )
          : failed(policy, error);
      for (const [key, value] of verdict.annotations) {
        const name = `${policy.name}/${key}`;
        published.set(name, (published.get(name) ?? new Set()).add(value));
      }
      const found = enforce(invocation, verdict.findings, request, policyMetrics);
      denials.push(
        ...found.map(({ message, reason }) => ({
          policy: policy.name,
          binding: binding.metadata.name,
          message,
          reason,
        })),
      );
    }
    for (const [key, values] of published) request.annotations.add(key, [...values].join(", "));
    if (denials.length > 0) throw denied(request, denials[0]!);
  }
}

/** Evaluates the validations and annotations of a policy. */
async function judge(
  policy: CompiledPolicy,
  expressions: Expressions,
  evaluation: Evaluation,
): Promise<Verdict> {
  const findings: Finding[] = [];
  const annotations = new Map<string, string>();
  const isLenient = policy.spec.failurePolicy === "Ignore";
  try {
    for (const [index, each] of expressions.validations.entries()) {
      const { validation, expression, message } = each;
      const value = await evaluation.evaluate(expression);
      if (isError(value)) {
        if (!isLenient) findings.push({ message: value.message, reason: "", index });
      } else if (value !== true) {
        const made = message && (await messageBy(message, evaluation));
        const why =
          made ||
          validation.message?.trim() ||
          `failed expression: ${validation.expression.trim()}`;
        findings.push({ message: why, reason: validation.reason ?? "Invalid", index });
      }
    }
    for (const { key, expression } of expressions.annotations) {
      const value = await evaluation.evaluate(expression);
      if (isError(value)) {
        if (!isLenient) findings.push({ message: value.message, reason: "", index: 0 });
      } else if (typeof value === "string" && value.trim() !== "") {
        annotations.set(key, value.trim().slice(0, AUDIT_ANNOTATION_BYTES_MAX));
      }
    }
  } catch (thrown) {
    if (!(thrown instanceof BudgetError)) throw thrown;
    return failed(policy, thrown.message);
  }
  return { findings, annotations };
}

function failed({ spec }: CompiledPolicy, message: string): Verdict {
  const findings = spec.failurePolicy === "Ignore" ? [] : [{ message, reason: "", index: 0 }];
  return { findings, annotations: new Map() };
}

/** The text of a message's expression; empty when it makes no usable one. */
async function messageBy(expression: Expression, evaluation: Evaluation): Promise<string> {
  const value = await evaluation.evaluate(expression);
  const text = typeof value === "string" ? value.trim() : "";
  const isUsable = !text.includes("\n") && Buffer.byteLength(text) <= EXPRESSION_MESSAGE_BYTES_MAX;
  return isUsable ? text : "";
}

/** Takes the actions of a binding on findings; returns those that deny the request. */
function enforce(
  { policy, binding }: Invocation<Binding>,
  findings: readonly Finding[],
  request: AdmissionRequest,
  metrics: PolicyMetrics,
): readonly Finding[] {
  const { validationActions: actions = [] } = binding.spec;
  const name = binding.metadata.name ?? "";
  const labels = { policy: policy.name, policy_binding: name };
  for (const { message, index } of findings) {
    for (const action of actions) metrics.enforced(labels, action);
    if (actions.includes("Warn")) {
      request.warnings.push(
        "Validation failed for ValidatingAdmissionPolicy " +
          `'${policy.name}' with binding '${name}': ${message}`,
      );
    }
    if (actions.includes("Audit")) {
      request.annotations.add(
        "validation.policy.admission.k8s.io/validation_failure",
        JSON.stringify([
          {
            message,
            policy: policy.name,
            binding: name,
            expressionIndex: index,
            validationActions: actions,
          },
        ]),
      );
    }
  }
  return actions.includes("Deny") ? findings : [];
}

const CODES: Readonly<Record<string, number>> = {
  Forbidden: 403,
  Unauthorized: 401,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

interface Denial {
  readonly policy: string;
  readonly binding: string | undefined;
  readonly message: string;
  readonly reason: string;
}

function denied(request: AdmissionRequest, denial: Denial): ApiError {
  const { policy, binding, message } = denial;
  const by = binding === undefined ? "" : ` with binding '${binding}'`;
  const whole = `ValidatingAdmissionPolicy '${policy}'${by} denied request: ${message}`;
  const { status } = refusal(request, whole);
  const reason = denial.reason || "Invalid";
  const causes = [{ message: whole }];
  return new ApiError({
    code: CODES[reason] ?? 422,
    reason,
    message: status.message ?? "",
    details: { ...status.details, causes },
  });
}
