import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Condition } from "@raft2kube/api/gen/meta/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { forbidden } from "@raft2kube/apimachinery/errors/catalog.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { DISRUPTED_PODS_MAX } from "../../limits.ts";
import { withCondition } from "./conditions.ts";

export type Budget = PodDisruptionBudget & KubeObject;

export type EvictedPod = Pod & KubeObject;

const ALLOWED = "DisruptionAllowed";

/**
 * The budget whose selector matches a pod's labels. Reads one at a time, in slices: a namespace may
 * have hundreds of megabytes of them. Throws 500 at the second that matches.
 */
export async function budgetAmong(
  bodies: Iterable<Buffer>,
  labels: EvictedPod["metadata"]["labels"],
): Promise<Budget | undefined> {
  const slices = new Slices();
  let found: Budget | undefined;
  for (const body of bodies) {
    if (slices.due) await slices.pause();
    const budget = JSON.parse(body.toString("utf8")) as Budget;
    if (!matchesSelector(budget.spec?.selector, labels)) continue;
    if (found !== undefined) throw severalBudgets();
    found = budget;
  }
  return found;
}

function severalBudgets(): ApiError {
  return new ApiError({
    code: 500,
    reason: "",
    message:
      "This pod has more than one PodDisruptionBudget, which the eviction " +
      "subresource does not support.",
  });
}

/** Pods that do not serve, or are going already, disturb nothing by going. */
export function needsBudget({ metadata, status }: EvictedPod): boolean {
  const idle = ["Pending", "Succeeded", "Failed"].includes(status?.phase ?? "");
  return !idle && metadata.deletionTimestamp === undefined;
}

/**
 * Whether a pod may be evicted without using up its budget: one that is not ready does not count in
 * it. The budget's `unhealthyPodEvictionPolicy` decides.
 */
export function goesForFree({ spec, status }: Budget, pod: EvictedPod): boolean {
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status === "True") return false;
  if (spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = status ?? {};
  return desiredHealthy > 0 && currentHealthy >= desiredHealthy;
}

/** The budget with one disruption less. Throws 429 when it has none left, 403 when it is odd. */
export function spendBudget(budget: Budget, pod: string, now_ms: number): Budget {
  const { name = "", generation = 0 } = budget.metadata;
  const status = budget.status!;
  const { disruptionsAllowed = 0, observedGeneration = 0, disruptedPods = {} } = status;
  const subject = { group: "policy", name: "poddisruptionbudget" };
  const odd = (why: string) => forbidden(subject, name, why);
  if (observedGeneration < generation) throw budgetNotReady(name);
  if (disruptionsAllowed < 0) throw odd("pdb disruptions allowed is negative");
  if (Object.keys(disruptedPods).length > DISRUPTED_PODS_MAX) {
    throw odd("DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  }
  if (disruptionsAllowed === 0) throw tooManyRequests(whyNone(budget));
  const left = disruptionsAllowed - 1;
  return {
    ...budget,
    status: {
      ...status,
      disruptionsAllowed: left,
      // The controller does not count these pods as healthy: they are about to be deleted.
      disruptedPods: { ...disruptedPods, [pod]: timeText(now_ms) },
      ...(left > 0 ? {} : { conditions: exhausted(budget, now_ms) }),
    },
  };
}

/** 429 for a budget that has not been counted yet, or whose pod changed meanwhile. */
export function budgetNotReady(name: string): ApiError {
  const message = `The disruption budget ${name} is still being processed by the server.`;
  return tooManyRequests(message, 10);
}

function tooManyRequests(message: string, retryAfterSeconds?: number): ApiError {
  return new ApiError({
    code: 429,
    reason: "TooManyRequests",
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: {
      causes: [{ reason: "DisruptionBudget", message }],
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    },
  });
}

function whyNone({ metadata, status }: Budget): string {
  const { currentHealthy = 0, desiredHealthy = 0, conditions } = status!;
  const condition = conditions?.find(({ type }) => type === ALLOWED);
  const reported = condition?.status === "False" && condition.message ? condition : undefined;
  const start = `The disruption budget ${metadata.name}`;
  // The counts are stale after a failed sync.
  if (reported?.reason === "SyncFailed") {
    return (
      `${start} does not allow evicting pods currently because it failed sync: ` + reported.message
    );
  }
  if (currentHealthy <= desiredHealthy) {
    return `${start} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  }
  const none = `${start} does not allow evicting pods currently`;
  return reported ? `${none} (${reported.reason}): ${reported.message}` : none;
}

function exhausted({ status }: Budget, now_ms: number): Condition[] {
  return withCondition(status!.conditions, {
    type: ALLOWED,
    status: "False",
    observedGeneration: status!.observedGeneration ?? 0,
    lastTransitionTime: timeText(now_ms),
    reason: "InsufficientPods",
    message: "",
  });
}
