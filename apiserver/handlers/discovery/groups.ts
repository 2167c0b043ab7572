import type { APIVersionDiscovery } from "@raft2kube/api/gen/apidiscovery/v2.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { compareTexts } from "@raft2kube/std/text.ts";
import { groupPriorityOf, versionPriorityOf } from "../../resource/group-priorities.ts";
import type { RemoteVersion } from "./remote.ts";

/** The kinds of one group and version. */
export interface ServedVersion {
  version: string;
  kinds: readonly Kind[];
  /** The place within the group, the highest first. */
  priority: number;
  /** The resources of another server, which answers for all of the version. */
  remote?: APIVersionDiscovery;
}

export interface ServedGroup {
  name: string;
  /** The place among groups, the highest first: that of the group's APIServices. */
  priority: number;
  /** The preferred version first. */
  versions: readonly ServedVersion[];
}

/**
 * Kinds, and versions of other servers, arranged as discovery shows them: by the priorities of
 * their APIServices, then by name.
 */
export function groupsOf(
  kinds: readonly Kind[],
  remotes: readonly RemoteVersion[] = [],
): ServedGroup[] {
  const groups = new Map<string, ServedVersion[]>();
  const add = (group: string, version: ServedVersion) =>
    void groups.set(group, [...(groups.get(group) ?? []), version]);
  for (const members of Map.groupBy(kinds, apiVersionOf).values()) {
    const { group, version } = members[0]!;
    if (remotes.some((each) => each.group === group && each.version === version)) continue;
    add(group, { version, kinds: sorted(members), priority: versionPriorityOf(group, version) });
  }
  for (const { group, version, versionPriority: priority, discovery: remote } of remotes) {
    add(group, { version, kinds: [], priority, remote });
  }
  const local = new Set(kinds.map(({ group }) => group));
  const priorityOf = (group: string) =>
    Math.max(
      local.has(group) ? groupPriorityOf(group) : 0,
      ...remotes.filter((each) => each.group === group).map((each) => each.groupPriority),
    );
  return [...groups]
    .map(([name, versions]) => ({
      name,
      priority: priorityOf(name),
      versions: versions.sort(
        (a, b) => b.priority - a.priority || stability(b.version) - stability(a.version),
      ),
    }))
    .sort((a, b) => b.priority - a.priority || compareTexts(a.name, b.name));
}

/** The groups in the order of `/apis`: upstream compares the names of their APIServices. */
export function inLegacyOrder(groups: readonly ServedGroup[]): ServedGroup[] {
  const first = ({ name, versions }: ServedGroup) =>
    versions.map(({ version }) => `${version}.${name}`).sort(compareTexts)[0]!;
  return groups.toSorted((a, b) => b.priority - a.priority || compareTexts(first(a), first(b)));
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
