import type { Kind } from "@raft2kube/api/kind.ts";
import { groupPriorityOf, versionPriorityOf } from "../../resource/group-priorities.ts";

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

/** Kinds arranged as discovery shows them: by the priorities of their APIServices, then by name. */
export function groupsOf(kinds: readonly Kind[]): ServedGroup[] {
  const groups = new Map<string, Map<string, Kind[]>>();
  for (const kind of kinds) {
    const versions = groups.get(kind.group) ?? new Map<string, Kind[]>();
    groups.set(kind.group, versions);
    versions.set(kind.version, [...(versions.get(kind.version) ?? []), kind]);
  }
  const ordered = [...groups].sort(([a], [b]) =>
    groupPriorityOf(b) - groupPriorityOf(a) || compareTexts(a, b));
  return ordered.map(([name, versions]) => ({
    name,
    versions: [...versions]
      .map(([version, members]) => ({ version, kinds: sorted(members) }))
      .sort((a, b) => versionPriorityOf(name, b.version) - versionPriorityOf(name, a.version) ||
        stability(b.version) - stability(a.version)),
  }));
}

/** The groups in the order of `/apis`: upstream compares the names of their APIServices. */
export function inLegacyOrder(groups: readonly ServedGroup[]): ServedGroup[] {
  const first = ({ name, versions }: ServedGroup) =>
    versions.map(({ version }) => `${version}.${name}`).sort(compareTexts)[0]!;
  return groups.toSorted((a, b) =>
    groupPriorityOf(b.name) - groupPriorityOf(a.name) || compareTexts(first(a), first(b)));
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
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
