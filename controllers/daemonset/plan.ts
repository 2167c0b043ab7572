import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  isPodAvailable,
  isPodReady,
  isPodTerminal,
} from "@raft2kube/client-kube/object/pod-state.ts";
import { shareOf } from "../share.ts";
import { type Placement, placementOn, targetNodeOf } from "./placement.ts";
import { isUpdated } from "./pod-of.ts";

/** A DaemonSet, its placements and its pods by their nodes. */
export interface DaemonView {
  set: DaemonSet;
  placements: ReadonlyMap<string, Placement>;
  pods: ReadonlyMap<string, readonly Pod[]>;
  /** The label value of pods of the newest revision. */
  hash: string;
  now_ms: number;
}

/** The plan for pods. */
export interface DaemonPlan {
  /** Names of nodes that are to get a pod. */
  create: string[];
  delete: Pod[];
  /** The pods to delete that have ended, with their nodes. */
  ended: { pod: Pod; node: string }[];
  /** When a failed pod may be deleted. */
  again_ms?: number;
}

/** Sorts the pods of a DaemonSet by node; pods that have ended and are being deleted are over. */
export function viewOf(
  set: DaemonSet,
  nodes: readonly Node[],
  own: readonly Pod[],
  hash: string,
  now_ms: number,
): DaemonView {
  const place = placementOn(set);
  const placements = new Map(nodes.map((node) => [node.metadata.name ?? "", place(node)]));
  const pods = new Map<string, Pod[]>();
  for (const pod of [...own].sort(oldestFirst)) {
    const node = targetNodeOf(pod);
    if (node === undefined || (isPodTerminal(pod) && isLeaving(pod))) continue;
    const around = pods.get(node);
    if (around === undefined) pods.set(node, [pod]);
    else around.push(pod);
  }
  return { set, placements, pods, hash, now_ms };
}

/** Pods on a node come before pods that wait for scheduling. */
function oldestFirst(a: Pod, b: Pod): number {
  const keys = [
    (pod: Pod) => (pod.spec.nodeName ? "0" : "1"),
    ({ metadata }: Pod) => metadata.creationTimestamp ?? "",
    ({ metadata }: Pod) => metadata.name ?? "",
  ];
  for (const key of keys) if (key(a) !== key(b)) return key(a) < key(b) ? -1 : 1;
  return 0;
}

export const isLeaving = ({ metadata }: Pod): boolean => metadata.deletionTimestamp !== undefined;

/** Whether an update may have two pods on a node. */
export function allowsSurge({ spec }: DaemonSet): boolean {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const { maxSurge = 0 } = rollingUpdate ?? {};
  return type === "RollingUpdate" && shareOf(maxSurge, 1, Math.ceil) > 0;
}

/**
 * Plans that each node has the pods that belong there: none, one, or two in an update that surges.
 * `wait_ms` is how long a node's failed pod must stay yet.
 */
export function planNodes(view: DaemonView, wait_ms: (node: string) => number): DaemonPlan {
  const plan: DaemonPlan = { create: [], delete: [], ended: [] };
  for (const [node, { run, stay }] of view.placements) {
    const pods = view.pods.get(node);
    if (run && !pods) plan.create.push(node);
    else if (stay) planNode(view, node, run, wait_ms, plan);
    else plan.delete.push(...(pods ?? []).filter((pod) => !isLeaving(pod)));
  }
  // A pod that waits for a node that is gone is never scheduled, so that no one else deletes it.
  for (const [node, pods] of view.pods) {
    if (view.placements.has(node)) continue;
    plan.delete.push(...pods.filter((pod) => !pod.spec.nodeName && !isLeaving(pod)));
  }
  return plan;
}

function planNode(
  view: DaemonView,
  node: string,
  run: boolean,
  wait_ms: (node: string) => number,
  plan: DaemonPlan,
): void {
  const running: Pod[] = [];
  for (const pod of view.pods.get(node) ?? []) {
    if (isLeaving(pod)) continue;
    if (!isPodTerminal(pod)) {
      running.push(pod);
      continue;
    }
    const wait = pod.status?.phase === "Failed" ? wait_ms(node) : 0;
    if (wait > 0) plan.again_ms = Math.min(plan.again_ms ?? Infinity, wait);
    else {
      plan.ended.push({ pod, node });
      plan.delete.push(pod);
    }
  }
  if (!allowsSurge(view.set)) plan.delete.push(...running.slice(1));
  else if (running.length === 0 && run) plan.create.push(node);
  else if (running.length > 1) plan.delete.push(...surplusOfSurge(view, running));
}

/** Two may stay, an old one that is ready and a new one that is not available yet. */
function surplusOfSurge(view: DaemonView, running: readonly Pod[]): Pod[] {
  const isFresh = (pod: Pod) => isUpdated(pod, view.set, view.hash);
  const fresh = running.filter(isFresh);
  const old = running.filter((pod) => !isFresh(pod));
  const surplus = [...fresh.slice(1), ...old.slice(1)];
  const [newPod, oldPod] = [fresh[0], old[0]];
  if (!newPod || !oldPod) return surplus;
  const replaced = !isPodReady(oldPod) || isAvailable(view, newPod);
  return replaced ? [...surplus, oldPod] : surplus;
}

export function isAvailable({ set, now_ms }: DaemonView, pod: Pod): boolean {
  return isPodAvailable(pod, set.spec.minReadySeconds ?? 0, now_ms);
}
