import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Condition } from "@raft2kube/api/gen/meta/v1.ts";
import type {
  PodDisruptionBudget,
  PodDisruptionBudgetStatus,
} from "@raft2kube/api/gen/policy/v1.ts";
import { isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeOf, timeText } from "@raft2kube/client-kube/object/time.ts";
import { own } from "@raft2kube/std/own.ts";
import { EVICTED_POD_MS } from "../limits.ts";
import { shareOf } from "../share.ts";

/**
 * Whether a budget is a share of the replicas that the pods' controllers want, or a number below
 * it.
 */
export function needsScale({ spec }: PodDisruptionBudget): boolean {
  return spec.maxUnavailable !== undefined || typeof spec.minAvailable === "string";
}

/** How many pods there should be, and how many of them must be healthy. */
export type Wanted = { readonly expectedPods: number; readonly desiredHealthy: number };

/**
 * Returns the number of healthy pods that a budget requires. `scale` is the sum of the replicas
 * that the controllers of its pods want, undefined where `needsScale` is false. Shares are rounded
 * up (upstream).
 */
export function wantedBy(
  { spec }: PodDisruptionBudget,
  pods: readonly Pod[],
  scale = pods.length,
): Wanted {
  const { minAvailable, maxUnavailable } = spec;
  if (maxUnavailable !== undefined) {
    const desiredHealthy = Math.max(0, scale - shareOf(maxUnavailable, scale, Math.ceil));
    return { expectedPods: scale, desiredHealthy };
  }
  if (minAvailable === undefined) return { expectedPods: 0, desiredHealthy: 0 };
  return { expectedPods: scale, desiredHealthy: shareOf(minAvailable, scale, Math.ceil) };
}

/** The state of evicted pods that a budget counted. */
export interface Disrupted {
  /** Pods still to be deleted, by name, with the time of their eviction. */
  readonly pods: Readonly<Record<string, string>>;
  /** Pods that should have been deleted long ago, and count again. */
  readonly notDeleted: readonly Pod[];
  /** When the next of the first becomes one of the second. */
  readonly again_ms: number | undefined;
}

/** Follows evictions to their end: a pod that is gone or going is no longer one of them. */
export function followDisrupted(
  { status }: PodDisruptionBudget,
  pods: readonly Pod[],
  now_ms: number,
): Disrupted {
  const left: Record<string, string> = {};
  const notDeleted: Pod[] = [];
  let again_ms: number | undefined;
  for (const pod of pods) {
    const { name = "", deletionTimestamp } = pod.metadata;
    const since = own(status?.disruptedPods ?? {}, name);
    if (since === undefined || deletionTimestamp !== undefined) continue;
    const left_ms = (timeOf(since) ?? 0) + EVICTED_POD_MS - now_ms;
    if (left_ms < 0) notDeleted.push(pod);
    else {
      left[name] = since;
      again_ms = Math.min(left_ms, again_ms ?? left_ms);
    }
  }
  return { pods: left, notDeleted, again_ms };
}

/** Counts the pods that are ready and will stay: neither being deleted nor about to be evicted. */
export function countHealthy(pods: readonly Pod[], disrupted: Disrupted): number {
  return pods.filter((pod) => {
    const { name = "", deletionTimestamp } = pod.metadata;
    const going = deletionTimestamp !== undefined || Object.hasOwn(disrupted.pods, name);
    return !going && isPodReady(pod);
  }).length;
}

/**
 * The status of a budget. One that expects no pods allows nothing: its first ones may appear before
 * they are counted.
 */
export function statusOf(
  budget: PodDisruptionBudget,
  { expectedPods, desiredHealthy }: Wanted,
  currentHealthy: number,
  disrupted: Disrupted,
  now_ms: number,
): PodDisruptionBudgetStatus {
  const spare = Math.max(0, currentHealthy - desiredHealthy);
  const disruptionsAllowed = expectedPods > 0 ? spare : 0;
  const { generation = 0 } = budget.metadata;
  const condition: Outcome =
    disruptionsAllowed > 0
      ? { status: "True", reason: "SufficientPods", message: "" }
      : { status: "False", reason: "InsufficientPods", message: "" };
  const counts = { disruptionsAllowed, currentHealthy, desiredHealthy, expectedPods };
  return {
    observedGeneration: generation,
    ...(Object.keys(disrupted.pods).length > 0 && { disruptedPods: { ...disrupted.pods } }),
    ...counts,
    conditions: withCondition(budget, condition, generation, now_ms),
  };
}

/** The status of a budget that could not be counted: it allows nothing, and says why. */
export function failedStatus(
  budget: PodDisruptionBudget,
  why: string,
  now_ms: number,
): PodDisruptionBudgetStatus {
  const before = budget.status ?? { currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  const outcome: Outcome = { status: "False", reason: "SyncFailed", message: why };
  const { observedGeneration = 0 } = budget.status ?? {};
  const conditions = withCondition(budget, outcome, observedGeneration, now_ms);
  return { ...before, disruptionsAllowed: 0, conditions };
}

type Outcome = Pick<Condition, "status" | "reason" | "message">;

const ALLOWED = "DisruptionAllowed";

function withCondition(
  { status }: PodDisruptionBudget,
  outcome: Outcome,
  observedGeneration: number,
  now_ms: number,
): Condition[] {
  const all = status?.conditions ?? [];
  const known = all.find(({ type }) => type === ALLOWED);
  const same = known?.status === outcome.status;
  const lastTransitionTime = same ? known.lastTransitionTime : timeText(now_ms);
  const condition = { type: ALLOWED, ...outcome, observedGeneration, lastTransitionTime };
  if (known === undefined) return [...all, condition];
  return all.map((each) => (each === known ? condition : each));
}
