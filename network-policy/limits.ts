import { assertLimits } from "@raft2kube/std/assert.ts";

/** Delay between a change and the transaction that applies it together with later changes. */
export const POLICY_SYNC_DELAY_MS = 10;
/** Interval of checks that the kernel has the rules; other programs may delete some. */
export const POLICY_VERIFY_MS = 5_000;
/**
 * Rest after planning, as a multiple of the time that it took: one tenant's changes, each of which
 * compares its pods with its policies, leave the node's process most of its time.
 */
export const PLAN_REST_TIMES = 4;
/** How long a pod may wait for its rules before it is not started, and tried again. */
export const POLICY_ADMIT_MS = 10_000;
/**
 * Rules that a new connection of one pod may pass in one direction, ranges of addresses in them,
 * and selectors of pods for each set that they look up. A pod with policies of more is cut off in
 * that direction: they would take the node's time and memory, which are not the tenant's alone.
 */
export const RULES_OF_POD_MAX = 12_000;
/**
 * The same of all policies of a namespace, each of which counts as RULES_OF_A_POLICY more, each
 * term of its own selector as RULES_OF_A_TERM, as it is compared with each pod, and each set that
 * they look up as RULES_OF_A_SET, as it may have all pods of the cluster: every node has all of
 * them, in one transaction. Pods of a namespace with more are cut off.
 */
export const RULES_OF_NAMESPACE_MAX = 64_000;
export const RULES_OF_A_POLICY = 20;
/** 2,400 sets of 100 pods each took a transaction of 18 s (Linux 6.18), in which no pod starts. */
export const RULES_OF_A_SET = 64;
export const RULES_OF_A_TERM = 4;

assertLimits({
  "a pod waits for at least one retry": POLICY_VERIFY_MS < POLICY_ADMIT_MS,
  "a namespace has what one pod may have in both directions":
    2 * RULES_OF_POD_MAX < RULES_OF_NAMESPACE_MAX,
});
