import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { matchesMap, matchesSelector } from "@raft2kube/api/selector.ts";
import type { PodInfo } from "./node-info.ts";

/** Returns the budgets of a namespace. */
export type BudgetsOf = (namespace: string) => readonly PodDisruptionBudget[];

/**
 * Returns the pods whose end would break a PodDisruptionBudget: in their order each takes one of
 * the disruptions that a budget allows. A budget without a selector, or with an empty one, has no
 * pods here, and a pod that is being evicted is counted already (upstream's
 * filterPodsWithPDBViolation). A step compares one pod with its namespace's budgets.
 */
export function* violatingBudgets(
  pods: readonly PodInfo[],
  budgetsOf: BudgetsOf,
): Generator<void, Set<PodInfo>> {
  const left = new Map<PodDisruptionBudget, number>();
  const violating = new Set<PodInfo>();
  const namespaces = Map.groupBy(pods, ({ pod }) => pod.metadata.namespace ?? "");
  for (const [namespace, infos] of namespaces) {
    const budgets = budgetsOf(namespace).filter(({ spec }) => !selectsAll(spec.selector));
    for (const info of infos) {
      const { name = "", labels } = info.pod.metadata;
      for (const budget of labels ? budgets : []) {
        if (!matchesSelector(budget.spec.selector, labels)) continue;
        if (Object.hasOwn(budget.status?.disruptedPods ?? {}, name)) continue;
        const rest = (left.get(budget) ?? budget.status?.disruptionsAllowed ?? 0) - 1;
        left.set(budget, rest);
        if (rest < 0) violating.add(info);
      }
      yield;
    }
  }
  return violating;
}

function selectsAll({ matchLabels = {}, matchExpressions = [] }: LabelSelector = {}): boolean {
  return matchExpressions.length === 0 && matchesMap(matchLabels, {});
}
