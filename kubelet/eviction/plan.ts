import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { tolerates } from "@raft2kube/client-kube/object/toleration.ts";
import { qosClassOf } from "../containers/qos.ts";
import { GRACE_S_MIN } from "../limits.ts";
import type { NodePressure } from "../node/pressure.ts";
import type { EvictionThresholds } from "../options.ts";
import { isStatic } from "../pods/pod-identity.ts";
import type { PodWorker } from "../sync/worker.ts";

/** The node's available resources. */
export interface Signals {
  memoryAvailable_bytes: number;
  nodefs: { available_bytes: number; capacity_bytes: number; inodesFree: number; inodes: number };
  imagefs: { available_bytes: number; capacity_bytes: number } | undefined;
  processes: { most: number; running: number };
}

/** A crossed threshold, as the eviction message reports it. */
export interface Shortage {
  resource: "memory" | "ephemeral-storage" | "inodes" | "pids";
  threshold: string;
  available: string;
  /** Less than half of the threshold is left. */
  critical: boolean;
}

/** Compares the signals with the thresholds. Returns at most one shortage of each resource. */
export function shortages(signals: Signals, limits: Required<EvictionThresholds>): Shortage[] {
  const { nodefs, imagefs } = signals;
  const found: Shortage[] = [];
  if (signals.memoryAvailable_bytes < limits.memoryAvailable_bytes) {
    found.push({
      resource: "memory",
      threshold: String(limits.memoryAvailable_bytes),
      available: kibibytes(signals.memoryAvailable_bytes),
      critical: signals.memoryAvailable_bytes < limits.memoryAvailable_bytes / 2,
    });
  }
  const disks = [
    { space: nodefs, share: limits.nodefsAvailable },
    { space: imagefs, share: limits.imagefsAvailable },
  ];
  const full = disks.find(
    ({ space, share }) => space && space.available_bytes < share * space.capacity_bytes,
  );
  if (full?.space) {
    const { available_bytes, capacity_bytes } = full.space;
    const kept_bytes = full.share * capacity_bytes;
    found.push({
      resource: "ephemeral-storage",
      threshold: String(Math.floor(kept_bytes)),
      available: kibibytes(available_bytes),
      critical: available_bytes < kept_bytes / 2,
    });
  }
  if (nodefs.inodes > 0 && nodefs.inodesFree < limits.nodefsInodesFree * nodefs.inodes) {
    const kept = limits.nodefsInodesFree * nodefs.inodes;
    found.push(countOf("inodes", nodefs.inodesFree, kept));
  }
  const { most, running } = signals.processes;
  if (most - running < limits.pidAvailable * most) {
    found.push(countOf("pids", Math.max(0, most - running), limits.pidAvailable * most));
  }
  return found;
}

function countOf(resource: "inodes" | "pids", left: number, kept: number): Shortage {
  const threshold = String(Math.floor(kept));
  return { resource, threshold, available: String(left), critical: left < kept / 2 };
}

const kibibytes = (bytes: number): string => `${Math.floor(bytes / 1024)}Ki`;

/** The node's conditions for these shortages. */
export const pressureOf = (found: Shortage[]): NodePressure => ({
  memory: found.some(({ resource }) => resource === "memory"),
  disk: found.some(({ resource }) => resource === "ephemeral-storage" || resource === "inodes"),
  pid: found.some(({ resource }) => resource === "pids"),
});

/**
 * Whether the node can end a pod, or end it sooner: one that is being stopped runs on for as long
 * as its author chose, years if they like, and may use no more than others meanwhile.
 */
export function isEvictable({ state, grace_s = 0 }: Pick<PodWorker, "state" | "grace_s">): boolean {
  return state === "syncing" || (state === "terminating" && grace_s > GRACE_S_MIN);
}

/** Whether the pod is critical for the system: never evicted, and admitted under pressure. */
export function isCritical(pod: Pod): boolean {
  return isStatic(pod) || (pod.spec.priority ?? 0) >= SYSTEM_CRITICAL_PRIORITY;
}

const SYSTEM_CRITICAL_PRIORITY = 2_000_000_000;

/** A pod with its usage and request of the resource that is short. */
export type Candidate = { pod: Pod; used: number; requested: number };

/**
 * Returns the pod to evict first: above its request before others, then by lowest priority, then by
 * largest excess. Critical pods are never chosen. Source: documentation of node-pressure eviction.
 */
export function chooseVictim(candidates: Candidate[]): Candidate | undefined {
  const excess = ({ used, requested }: Candidate) => used - requested;
  const exceeds = (one: Candidate) => (excess(one) > 0 ? 0 : 1);
  const priority = ({ pod }: Candidate) => pod.spec.priority ?? 0;
  return candidates
    .filter(({ pod }) => !isCritical(pod))
    .sort(
      (a, b) => exceeds(a) - exceeds(b) || priority(a) - priority(b) || excess(b) - excess(a),
    )[0];
}

/** The evicted pod's status message. */
export const evictionMessage = ({ resource, threshold, available }: Shortage): string =>
  `The node was low on resource: ${resource}. Threshold quantity: ${threshold}, ` +
  `available: ${available}. `;

const MEMORY_PRESSURE = {
  key: "node.kubernetes.io/memory-pressure",
  effect: "NoSchedule",
} as const;

/** Whether a node under this pressure still admits the pod. */
export function admitsUnderPressure(pod: Pod, pressure: NodePressure): boolean {
  if (isCritical(pod)) return true;
  if (pressure.disk || pressure.pid) return false;
  if (!pressure.memory || qosClassOf(pod) !== "BestEffort") return true;
  return (pod.spec.tolerations ?? []).some((one) => tolerates(one, MEMORY_PRESSURE));
}
