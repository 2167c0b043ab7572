import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { matchesMap, matchesSelector } from "@raft2kube/api/selector.ts";
import type { PodInfo } from "./node-info.ts";

/** Returns the budgets of a namespace. */
export type BudgetsOf = (namespace: string) => readonly PodDisruptionBudget[];

/**
 * Divides pods, in their order, into those whose end would break a PodDisruptionBudget and the
 * others: each pod takes one of the disruptions that a budget allows. A budget without a selector,
 * or with an empty one, has no pods here, and a pod that is being evicted is counted already
 * (upstream's filterPodsWithPDBViolation).
 */
export function splitByBudgets(pods: readonly PodInfo[], budgetsOf: BudgetsOf) {
  const left = new Map<PodDisruptionBudget, number>();
  const [violating, others]: [PodInfo[], PodInfo[]] = [[], []];
  for (const info of pods) {
    const { name = "", namespace = "", labels } = info.pod.metadata;
    let breaks = false;
    for (const budget of labels ? budgetsOf(namespace) : []) {
      const { selector } = budget.spec;
      if (selectsAll(selector) || !matchesSelector(selector, labels)) continue;
      if (budget.status?.disruptedPods?.[name] !== undefined) continue;
      const rest = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1;
      left.set(budget, rest);
      breaks ||= rest < 0;
    }
    (breaks ? violating : others).push(info);
  }
  return { violating, others };
}

function selectsAll({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): boolean {
  return matchExpressions.length === 0 && matchesMap(matchLabels, {});
}
