import type { Kind } from "@raft2kube/api/kind.ts";
import { GROUPS } from "../../resource/group-priorities.ts";

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

const ORDER: readonly string[] = [...GROUPS.keys()];

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
