import type {
  Job,
  PodFailurePolicy,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyRule,
  SuccessPolicy,
} from "@raft2kube/api/gen/batch/v1.ts";
import type { ContainerStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isAmong } from "@raft2kube/api/selector.ts";
import { type Intervals, overlap, parseIntervals, total } from "./intervals.ts";

type PolicyAction = PodFailurePolicyRule["action"];

/** The action of a job's policy for a failed pod. */
export interface Verdict {
  /** Whether the failure counts against the limits. */
  counts: boolean;
  action?: PolicyAction;
  /** Why the whole job fails by it. */
  failsJob?: string;
}

/** The verdict of the first rule that matches; without one the failure counts. */
export function judgeFailure(policy: PodFailurePolicy | undefined, pod: Pod): Verdict {
  for (const [index, rule] of (policy?.rules ?? []).entries()) {
    const cause = causeOf(rule, pod);
    if (cause === undefined) continue;
    const { action } = rule;
    if (action !== "FailJob") return { counts: action !== "Ignore", action };
    const failsJob = `${cause} matching ${action} rule at index ${index}`;
    return { counts: true, action, failsJob };
  }
  return { counts: true };
}

/** The part of the pod that a rule matches, in upstream's words. */
function causeOf({ onExitCodes, onPodConditions }: PodFailurePolicyRule, pod: Pod) {
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
  if (onExitCodes !== undefined) {
    const status =
      pod.status?.containerStatuses?.find((each) => matches(onExitCodes, each)) ??
      pod.status?.initContainerStatuses?.find((each) => matches(onExitCodes, each));
    if (status === undefined) return undefined;
    const code = status.state?.terminated?.exitCode;
    return `Container ${status.name} for pod ${name} failed with exit code ${code}`;
  }
  const condition = pod.status?.conditions?.find(({ type, status }) =>
    onPodConditions?.some((pattern) => pattern.type === type && pattern.status === status),
  );
  return condition && `Pod ${name} has condition ${condition.type}`;
}

function matches(
  { containerName, operator, values }: PodFailurePolicyOnExitCodesRequirement,
  { name, state }: ContainerStatus,
): boolean {
  const code = state?.terminated?.exitCode ?? 0;
  if (code === 0 || (containerName !== undefined && containerName !== name)) return false;
  return isAmong(values, code) === (operator === "In");
}

/** Why the job fails by one of its failed pods. */
export function failureMessage(job: Job, failed: readonly Pod[]): string | undefined {
  const policy = job.spec.podFailurePolicy;
  return (
    policy &&
    failed.map((pod) => judgeFailure(policy, pod).failsJob).find((message) => message !== undefined)
  );
}

/** Which rule says that enough indexes have succeeded. */
export function successMessage(
  policy: SuccessPolicy | undefined,
  succeeded: Intervals,
  completions: number,
): string | undefined {
  if (policy === undefined || succeeded.length === 0) return undefined;
  const index = policy.rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return total(succeeded) >= (succeededCount ?? Infinity);
    const wanted = parseIntervals(succeededIndexes, completions);
    if (wanted.length === 0) return false;
    const met = overlap(wanted, succeeded);
    return met === total(wanted) || met >= (succeededCount ?? Infinity);
  });
  return index < 0 ? undefined : `Matched rules at index ${index}`;
}
