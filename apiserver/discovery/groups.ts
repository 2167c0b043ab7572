import type { Kind } from "@raft2kube/api/kind.ts";

/** The kinds of one group and version. */
export interface ServedVersion {
  version: string;
  kinds: readonly Kind[];
}

export interface ServedGroup {
  name: string;
  /** The preferred version first. */
  versions: readonly ServedVersion[];
}

/**
 * Upstream's order of groups, by the priorities of their APIServices: a short name such as `events`
 * means the resource of the first group that has it.
 */
const ORDER: readonly string[] = [
  "",
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "resource.k8s.io",
  "flowcontrol.apiserver.k8s.io",
];

/** A group's place; those that upstream does not have come last, in the order they appear in. */
const placeOf = (name: string): number => {
  const place = ORDER.indexOf(name);
  return place < 0 ? ORDER.length : place;
};

/** Kinds arranged as discovery shows them. */
export function groupsOf(kinds: readonly Kind[]): ServedGroup[] {
  const groups = new Map<string, Map<string, Kind[]>>();
  for (const kind of kinds) {
    const versions = groups.get(kind.group) ?? new Map<string, Kind[]>();
    groups.set(kind.group, versions);
    versions.set(kind.version, [...(versions.get(kind.version) ?? []), kind]);
  }
  const ordered = [...groups].sort(([a], [b]) => placeOf(a) - placeOf(b));
  return ordered.map(([name, versions]) => ({
    name,
    versions: [...versions]
      .map(([version, members]) => ({ version, kinds: sorted(members) }))
      .sort((a, b) => stability(b.version) - stability(a.version)),
  }));
}

function sorted(kinds: readonly Kind[]): Kind[] {
  return [...kinds].sort((a, b) => (a.plural < b.plural ? -1 : 1));
}

/** Orders versions as Kubernetes does: v2 over v1 over v1beta2 over v1alpha1. */
function stability(version: string): number {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (!match) return -1;
  const level = match[2] === undefined ? 2 : match[2] === "beta" ? 1 : 0;
  return level * 1e6 + Number(match[1]) * 1e3 + Number(match[3] ?? 0);
}
