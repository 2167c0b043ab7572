/** Which pods a ResourceQuota is about. */
import type {
  Pod,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
} from "../../../gen/core/v1.ts";
import { qosClassOf } from "../pod/qos.ts";

type Requirement = ScopedResourceSelectorRequirement;

function requirementsOf({ spec = {} }: ResourceQuota): Requirement[] {
  const named = (spec.scopes ?? []).map(
    (scopeName): Requirement => ({ scopeName, operator: "Exists" }),
  );
  return [...named, ...(spec.scopeSelector?.matchExpressions ?? [])];
}

/** Whether a quota has scopes: then it is about pods alone. */
export const isScoped = (quota: ResourceQuota): boolean => requirementsOf(quota).length > 0;

/** Whether a pod is within all of a quota's scopes. */
export function coversPod(quota: ResourceQuota, pod: Pod): boolean {
  return requirementsOf(quota).every((requirement) => isWithin(pod, requirement));
}

function isWithin(pod: Pod, { scopeName, operator, values = [] }: Requirement): boolean {
  const { spec } = pod;
  const isBestEffort = () => (pod.status?.qosClass ?? qosClassOf(spec)) === "BestEffort";
  switch (scopeName) {
    case "Terminating":
      return spec.activeDeadlineSeconds !== undefined;
    case "NotTerminating":
      return spec.activeDeadlineSeconds === undefined;
    case "BestEffort":
      return isBestEffort();
    case "NotBestEffort":
      return !isBestEffort();
    case "PriorityClass":
      return hasClass(spec.priorityClassName, operator, values);
    case "CrossNamespacePodAffinity":
      return reachesOut(pod);
    default:
      return false;
  }
}

function hasClass(name: string | undefined, operator: string, values: readonly string[]): boolean {
  switch (operator) {
    case "Exists":
      return !!name;
    case "DoesNotExist":
      return !name;
    case "In":
      return values.includes(name ?? "");
    case "NotIn":
      return !values.includes(name ?? "");
    default:
      return false;
  }
}

/** Whether affinity looks at pods of other namespaces. */
function reachesOut({ spec }: Pod): boolean {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  return [podAffinity, podAntiAffinity].some((each) =>
    [
      ...(each?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(each?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
        ({ podAffinityTerm }) => podAffinityTerm,
      ),
    ].some(
      ({ namespaces = [], namespaceSelector }) =>
        namespaces.length > 0 || namespaceSelector !== undefined,
    ),
  );
}
