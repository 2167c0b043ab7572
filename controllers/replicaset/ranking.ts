import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isPodActive, isPodReady, podCondition } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";

const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";
const PHASE_ORDER: Record<string, number> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The pods to delete first, by upstream's ActivePodsWithRanks: not yet on a node, not running, not
 * ready, cheap by annotation, doubled up on a node, ready for a short time (by powers of two),
 * often restarted, young. `related` are the pods of all ReplicaSets of the same owner.
 */
export function podsToDelete(
  pods: readonly Pod[],
  related: readonly Pod[],
  count: number,
  now_ms: number,
): Pod[] {
  if (count >= pods.length) return [...pods];
  const perNode = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec.nodeName ?? "";
    if (isPodActive(pod)) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const rank = (pod: Pod) => perNode.get(pod.spec.nodeName ?? "") ?? 0;
  return [...pods].sort((a, b) => compare(a, b, rank, now_ms)).slice(0, count);
}

/**
 * Orders two pods by how little they are missed, the first to be deleted first: without a node,
 * not running, not ready, a lower deletion cost, more pods of the owner on its node, ready for a
 * shorter time, restarted more often, younger.
 */
function compare(a: Pod, b: Pod, rank: (pod: Pod) => number, now_ms: number): number {
  // lab:08 begin compare
  const keys = [assigned, phase, ready, deletionCost, (pod: Pod) => -rank(pod)];
  for (const key of keys) {
    const difference = key(a) - key(b);
    if (difference !== 0) return difference;
  }
  if (isPodReady(a)) {
    const difference = byAge(readySince(a), readySince(b), a, b, now_ms);
    if (difference !== 0) return difference;
  }
  const restarts = restartsOf(b) - restartsOf(a);
  if (restarts !== 0) return restarts;
  const created = (pod: Pod) => timeOf(pod.metadata.creationTimestamp);
  return byAge(created(a), created(b), a, b, now_ms);
  // lab:08 end
}

const assigned = (pod: Pod): number => (pod.spec.nodeName ? 1 : 0);

const phase = (pod: Pod): number => PHASE_ORDER[pod.status?.phase ?? ""] ?? 0;

const ready = (pod: Pod): number => (isPodReady(pod) ? 1 : 0);

/** An annotation that is no whole number counts as 0: the API refuses such a one. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[DELETION_COST] ?? "0";
  return /^-?\d+$/.test(text) ? Number(text) : 0;
}

function readySince(pod: Pod): number | undefined {
  return timeOf(podCondition(pod, "Ready")?.lastTransitionTime);
}

function restartsOf(pod: Pod): number {
  const statuses = pod.status?.containerStatuses ?? [];
  return Math.max(0, ...statuses.map((status) => status.restartCount));
}

/**
 * Younger first; ages of the same power of two are equal, and then the uid decides, as good as
 * chance.
 */
function byAge(
  a_ms: number | undefined,
  b_ms: number | undefined,
  a: Pod,
  b: Pod,
  now_ms: number,
): number {
  if (a_ms === b_ms) return 0;
  if (a_ms === undefined) return -1;
  if (b_ms === undefined) return 1;
  const difference = magnitude(now_ms - a_ms) - magnitude(now_ms - b_ms);
  if (difference !== 0) return difference;
  return (a.metadata.uid ?? "") < (b.metadata.uid ?? "") ? -1 : 1;
}

const magnitude = (age_ms: number): number =>
  age_ms > 0 ? Math.floor(Math.log2(age_ms * 1e6)) : -1;
