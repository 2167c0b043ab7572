/** Which objects a ResourceQuota is about. */
import type {
  PersistentVolumeClaim,
  Pod,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
} from "../../../gen/core/v1.ts";
import type { KubeObject } from "../../../kind.ts";
import { qosClassOf } from "../pod/qos.ts";
import type { Counted } from "./usage.ts";

type Requirement = ScopedResourceSelectorRequirement;

function requirementsOf({ spec = {} }: ResourceQuota): Requirement[] {
  const named = (spec.scopes ?? []).map(
    (scopeName): Requirement => ({ scopeName, operator: "Exists" }),
  );
  return [...named, ...(spec.scopeSelector?.matchExpressions ?? [])];
}

/** Whether an object is within all of a quota's scopes. Only pods and claims are within any. */
export function covers(quota: ResourceQuota, { group, plural }: Counted, object: KubeObject) {
  const requirements = requirementsOf(quota);
  switch (group === "" ? plural : "") {
    case "pods":
      return requirements.every((each) => isWithin(object as Pod, each));
    case "persistentvolumeclaims":
      return requirements.every((each) => hasAttributes(object as PersistentVolumeClaim, each));
    default:
      return requirements.length === 0;
  }
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

/** Whether one of the attributes classes that a claim asks for, has, or changes to is meant. */
function hasAttributes(
  { spec = {}, status = {} }: PersistentVolumeClaim,
  { scopeName, operator, values = [] }: Requirement,
): boolean {
  if (scopeName !== "VolumeAttributesClass") return false;
  const names = [
    spec.volumeAttributesClassName,
    status.currentVolumeAttributesClassName,
    status.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ].filter((name) => !!name);
  if (names.length === 0) return hasClass(undefined, operator, values);
  return names.some((name) => hasClass(name, operator, values));
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
