/** The best score a plugin gives a node; scores go from 0 to it. */
export const SCORE_MAX = 100;

/** Below this number of nodes every one is looked at; above, a share (upstream's rule). */
export const NODES_ALL_BELOW = 100;

/** The share of nodes, in percent, never falls below this in large clusters. */
export const NODES_SHARE_MIN_PERCENT = 5;

/** Back-off of a pod that did not fit: doubles from the first to the second. */
export const POD_BACKOFF_MS = 1_000;
export const POD_BACKOFF_MAX_MS = 10_000;

/** A pod that fits nowhere is tried again after this long even if nothing seems to have changed. */
export const UNSCHEDULABLE_FLUSH_MS = 5 * 60_000;

/** How often such pods are looked for. */
export const UNSCHEDULABLE_LOOK_MS = 30_000;

/** How long a pod waits for its volumes to be bound (upstream's bindTimeoutSeconds). */
export const VOLUME_BIND_TIMEOUT_MS = 600_000;

/** What a container without requests counts as in scores (upstream's non-zero requests). */
export const SCORE_CPU_MILLIS = 100;
export const SCORE_MEMORY_BYTES = 200 * 1024 * 1024;

/** Image sizes between which ImageLocality scores rise; the upper one is per container. */
export const IMAGE_BYTES_MIN = 23 * 1024 * 1024;
export const IMAGE_BYTES_MAX = 1000 * 1024 * 1024;

/** Requests per second of the scheduler's client: each pod takes a binding and an event. */
export const SCHEDULER_QPS = 500;
export const SCHEDULER_BURST = 1_000;

/** Nodes on which a pod that fits nowhere is tried without the pods less important than it. */
export const PREEMPTION_NODES_MAX = 100;

/** How often the node of a claim is written when others change the claim at the same time. */
export const SELECT_ATTEMPTS_MAX = 5;
