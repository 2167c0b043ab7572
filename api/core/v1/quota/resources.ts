/** The resources that a ResourceQuota can limit, and their scopes. */

import { COUNTED } from "../pod/validate-resources.ts";

const COMPUTE = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const STANDARD = new Set([
  ...COMPUTE,
  "ephemeral-storage",
  "requests.ephemeral-storage",
  "limits.ephemeral-storage",
  "requests.storage",
  ...COUNTED,
]);
const OF_CLAIMS = ["persistentvolumeclaims", "requests.storage"];

/** Scopes that hold of a pod or do not; they are not compared with values. */
export const SCOPES_OF_PODS: readonly string[] = [
  "Terminating",
  "NotTerminating",
  "BestEffort",
  "NotBestEffort",
  "CrossNamespacePodAffinity",
];
export const SCOPES: readonly string[] = [
  ...SCOPES_OF_PODS,
  "PriorityClass",
  "VolumeAttributesClass",
];

/** Whether a name without a domain is one that quotas know. */
export function isQuotaResource(name: string): boolean {
  return STANDARD.has(name) || /^(requests\.)?hugepages-/.test(name);
}

/** Whether a scope can narrow the use of a resource. An unknown scope narrows everything. */
export function isWithinScope(scope: string, name: string): boolean {
  switch (scope) {
    case "BestEffort":
      return name === "pods";
    case "VolumeAttributesClass":
      return OF_CLAIMS.includes(name);
    default:
      return !SCOPES.includes(scope) || name === "pods" || COMPUTE.includes(name);
  }
}
