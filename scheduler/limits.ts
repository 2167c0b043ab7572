import { assertLimits } from "@raft2kube/std/assert.ts";

/** Highest score of a node; scores range from 0 to it. */
export const SCORE_MAX = 100;

/** Clusters below this number of nodes are evaluated whole (upstream's minFeasibleNodesToFind). */
export const FEASIBLE_NODES_MIN = 100;

/** Lowest share of nodes, in percent, that a cycle of a large cluster looks for. */
export const FEASIBLE_NODES_PERCENT_MIN = 5;

/** Backoff of a pod after a failed attempt: doubles from the first to the second. */
export const POD_BACKOFF_MS = 1_000;
export const POD_BACKOFF_MS_MAX = 10_000;

/** How long a pod stays unschedulable without an event before it is tried again. */
export const UNSCHEDULABLE_FLUSH_MS = 5 * 60_000;

/** Interval between searches for such pods. */
export const UNSCHEDULABLE_FLUSH_INTERVAL_MS = 30_000;

/** How long PreBind waits for a pod's volumes (upstream's bindTimeoutSeconds). */
export const VOLUME_BIND_TIMEOUT_MS = 600_000;

/** Requests that scores assume for a container without any (upstream's non-zero requests). */
export const SCORE_CPU = "100m";
export const SCORE_MEMORY = "200Mi";

/** Image sizes between which ImageLocality scores increase; the upper one is per container. */
export const IMAGE_BYTES_MIN = 23 * 1024 * 1024;
export const IMAGE_BYTES_MAX = 1000 * 1024 * 1024;

/** How pods of one workload are spread that state no constraints (upstream's system defaults). */
export const DEFAULT_SPREAD = [
  { topologyKey: "kubernetes.io/hostname", maxSkew: 3 },
  { topologyKey: "topology.kubernetes.io/zone", maxSkew: 5 },
] as const;

/** Requests per second of the scheduler's client: each pod needs a binding and an event. */
export const SCHEDULER_QPS = 500;
export const SCHEDULER_BURST = 1_000;

/**
 * Concurrent writes of the conditions of pods that fit nowhere; one namespace has half of them,
 * which is upstream's parallelism.
 */
export const CONDITION_WRITERS = 32;

/** Preemption candidates that are compared: a part of the nodes, and so many at least. */
export const PREEMPTION_NODES_PART = 10;
export const PREEMPTION_NODES_MIN = 100;

/** Attempts to write the selected node of a claim that is updated concurrently. */
export const SELECT_ATTEMPTS_MAX = 5;

assertLimits({
  "back-offs grow": POD_BACKOFF_MS <= POD_BACKOFF_MS_MAX,
  "images have a range of sizes": IMAGE_BYTES_MIN < IMAGE_BYTES_MAX,
  "the bound on requests lets a second's requests go at once": SCHEDULER_QPS <= SCHEDULER_BURST,
  "unschedulable pods are looked at within their time":
    UNSCHEDULABLE_FLUSH_INTERVAL_MS <= UNSCHEDULABLE_FLUSH_MS,
});
