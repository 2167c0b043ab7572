import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type { Node, NodeCondition, Taint } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";

export const NOT_READY = "node.kubernetes.io/not-ready";
export const UNREACHABLE = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

/** Conditions that a silent kubelet leaves in doubt. */
const MONITORED_CONDITIONS = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/** The taint for each condition and status. */
const TAINT_OF: Record<string, Record<string, string>> = {
  Ready: { False: NOT_READY, Unknown: UNREACHABLE },
  MemoryPressure: { True: "node.kubernetes.io/memory-pressure" },
  DiskPressure: { True: "node.kubernetes.io/disk-pressure" },
  PIDPressure: { True: "node.kubernetes.io/pid-pressure" },
  NetworkUnavailable: { True: "node.kubernetes.io/network-unavailable" },
};

/** Taints that are ours to add and remove; all others are left alone. */
const MANAGED_TAINTS = new Set([
  ...Object.values(TAINT_OF).flatMap((states) => Object.values(states)),
  UNSCHEDULABLE,
]);

/** The last sign of life of a node, by our own clock: its clock may be wrong. */
export type NodeHealth = { heartbeat: string; seen_ms: number };

/** Notes a new sign of life: a renewed lease or a newer heartbeat in the status. */
export function observe(
  known: NodeHealth | undefined,
  node: Node,
  lease: Lease | undefined,
  now_ms: number,
): NodeHealth {
  const ready = conditionOf(node, "Ready");
  // A condition that this controller set to Unknown is no heartbeat.
  const status = ready?.status === "Unknown" ? "" : (ready?.lastHeartbeatTime ?? "");
  const heartbeat = `${node.metadata.uid ?? ""}/${status}/${lease?.spec.renewTime ?? ""}`;
  return known?.heartbeat === heartbeat ? known : { heartbeat, seen_ms: now_ms };
}

export function conditionOf(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === type);
}

/** The conditions of a node that has been silent for too long; undefined if they say so already. */
export function unknownConditions(node: Node, now_ms: number): NodeCondition[] | undefined {
  const now = timeText(now_ms);
  let changed = false;
  const conditions = [...(node.status?.conditions ?? [])];
  for (const type of MONITORED_CONDITIONS) {
    const index = conditions.findIndex((condition) => condition.type === type);
    const known = conditions[index];
    if (known?.status === "Unknown") continue;
    changed = true;
    const unknown = { ...known, type, status: "Unknown", lastTransitionTime: now };
    if (known) {
      const why = { reason: "NodeStatusUnknown", message: "Kubelet stopped posting node status." };
      conditions[index] = { ...unknown, ...why };
    } else {
      const message = "Kubelet never posted node status.";
      const lastHeartbeatTime = node.metadata.creationTimestamp ?? now;
      conditions.push({ ...unknown, reason: "NodeStatusNeverUpdated", message, lastHeartbeatTime });
    }
  }
  return changed ? conditions : undefined;
}

/**
 * Returns the taints for a node's conditions; undefined if it has them. `evict` is false when no
 * node of the cluster is ready: then the control plane is likely at fault, and no pod is evicted.
 */
export function planTaints(node: Node, evict: boolean, now_ms: number): Taint[] | undefined {
  const wanted: Taint[] = [];
  for (const [type, states] of Object.entries(TAINT_OF)) {
    const key = states[conditionOf(node, type)?.status ?? ""];
    if (key === undefined) continue;
    wanted.push({ key, effect: "NoSchedule" });
    if (type === "Ready" && evict) wanted.push({ key, effect: "NoExecute" });
  }
  if (node.spec.unschedulable) wanted.push({ key: UNSCHEDULABLE, effect: "NoSchedule" });
  const taints = node.spec.taints ?? [];
  const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  const kept = taints.filter((taint) => {
    return !MANAGED_TAINTS.has(taint.key) || wanted.some((other) => same(taint, other));
  });
  const added = wanted
    .filter((taint) => !kept.some((other) => same(taint, other)))
    .map((taint) => ({ ...taint, timeAdded: timeText(now_ms) }));
  return added.length === 0 && kept.length === taints.length ? undefined : [...kept, ...added];
}
