import { isDeepStrictEqual } from "node:util";
import type { ClusterRole, PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";

/** The rules of every other role that an aggregating role selects, each once, by roles' names. */
export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const { name } = role.metadata;
  const selectors = role.aggregationRule?.clusterRoleSelectors ?? [];
  const sorted = [...all].sort((a, b) =>
    (a.metadata.name ?? "") < (b.metadata.name ?? "") ? -1 : 1,
  );
  const rules: PolicyRule[] = [];
  for (const selector of selectors) {
    for (const other of sorted) {
      if (other.metadata.name === name) continue;
      if (!matchesSelector(selector, other.metadata.labels)) continue;
      for (const rule of other.rules ?? []) {
        if (!rules.some((known) => isDeepStrictEqual(known, rule))) rules.push(rule);
      }
    }
  }
  return rules;
}
