/**
 * Upstream's groups by the priorities of their APIServices, the highest first: a short name such as
 * `events` means the resource of the first group that has it.
 */
export const GROUPS: ReadonlyMap<string, number> = new Map([
  ["", 18_000],
  ["apiregistration.k8s.io", 18_000],
  ["apps", 17_800],
  ["events.k8s.io", 17_750],
  ["authentication.k8s.io", 17_700],
  ["authorization.k8s.io", 17_600],
  ["autoscaling", 17_500],
  ["batch", 17_400],
  ["certificates.k8s.io", 17_300],
  ["networking.k8s.io", 17_200],
  ["policy", 17_100],
  ["rbac.authorization.k8s.io", 17_000],
  ["storage.k8s.io", 16_800],
  ["admissionregistration.k8s.io", 16_700],
  ["apiextensions.k8s.io", 16_700],
  ["scheduling.k8s.io", 16_600],
  ["coordination.k8s.io", 16_500],
  ["node.k8s.io", 16_300],
  ["discovery.k8s.io", 16_200],
  ["resource.k8s.io", 16_200],
  ["flowcontrol.apiserver.k8s.io", 16_100],
  // As metrics-server's manifest has it.
  ["metrics.k8s.io", 100],
]);

/** The priorities of groups and versions of custom resources. */
export const CUSTOM_GROUP_PRIORITY = 1_000;
export const CUSTOM_VERSION_PRIORITY = 100;

/** The priority of a group's APIServices. */
export function groupPriorityOf(group: string): number {
  return GROUPS.get(group) ?? CUSTOM_GROUP_PRIORITY;
}

const VERSION_PRIORITY = 15;
const ODD_VERSIONS: ReadonlyMap<string, number> = new Map([
  ["/v1", 1],
  ["autoscaling/v2", 30],
  ["flowcontrol.apiserver.k8s.io/v1", 21],
  ["metrics.k8s.io/v1beta1", 100],
  ["resource.k8s.io/v1", 21],
]);

/** The place of a version within its group, the highest first. */
export function versionPriorityOf(group: string, version: string): number {
  const usual = GROUPS.has(group) ? VERSION_PRIORITY : CUSTOM_VERSION_PRIORITY;
  return ODD_VERSIONS.get(`${group}/${version}`) ?? usual;
}
