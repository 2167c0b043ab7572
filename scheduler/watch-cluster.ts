import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer.ts";
import type { KubeObject } from "@raft2kube/client-kube/object.ts";
import type { SchedulerCache } from "./cache.ts";
import type { ClusterEvent } from "./framework.ts";
import type { SchedulingQueue } from "./queue.ts";

export interface Watched {
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  namespaces: Informer<Namespace>;
  cache: SchedulerCache;
  queue: SchedulingQueue;
  /** Whether a profile of ours is responsible for a pod. */
  isOurs(pod: Pod): boolean;
}

/** Feeds the cache and the queue from the informers, and tells the queue what may help whom. */
export function watchCluster(watched: Watched): void {
  watchPods(watched);
  watchNodes(watched);
  const { namespaces, queue } = watched;
  namespaces.handle({
    added: () => queue.moveOn("namespace"),
    updated: () => queue.moveOn("namespace"),
  });
}

/** Anything that happens to such objects may help a pod that waits for them. */
export function watchFor(
  event: "volumes" | "resource-claims",
  informers: readonly Pick<Informer<KubeObject>, "handle">[],
  queue: SchedulingQueue,
): void {
  const moved = () => queue.moveOn(event);
  for (const informer of informers) {
    informer.handle({ added: moved, updated: moved, deleted: moved });
  }
}

function watchPods({ pods, cache, queue, isOurs }: Watched): void {
  const gone = (pod: Pod) => {
    queue.remove(pod);
    cache.removePod(pod);
    if (pod.spec.nodeName) queue.moveOn("pod-removed");
  };
  const assigned = (pod: Pod, wasAssigned: boolean) => {
    queue.remove(pod);
    cache.setPod(pod);
    if (!wasAssigned) queue.moveOn("pod-assigned");
  };
  const isOver = (pod: Pod) => pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
  pods.handle({
    added(pod) {
      if (isOver(pod)) return;
      if (pod.spec.nodeName) assigned(pod, false);
      else if (isWaiting(pod) && isOurs(pod)) queue.add(pod);
    },
    updated(pod, old) {
      if (isOver(pod)) return gone(pod);
      if (pod.spec.nodeName) return assigned(pod, Boolean(old.spec.nodeName));
      if (!isOurs(pod)) return;
      if (!isWaiting(pod)) return queue.remove(pod);
      if (!isWaiting(old) || fitChanged(pod, old)) queue.add(pod);
      else queue.refresh(pod);
    },
    deleted: gone,
  });
}

/** Without gates and not being deleted. */
function isWaiting(pod: Pod): boolean {
  return !pod.spec.schedulingGates?.length && !pod.metadata.deletionTimestamp;
}

/** Whether an update may change where a pod fits: its spec or labels, not its status. */
function fitChanged(pod: Pod, old: Pod): boolean {
  const { generation } = pod.metadata;
  const specChanged =
    generation === undefined || generation !== old.metadata.generation
      ? JSON.stringify(pod.spec) !== JSON.stringify(old.spec)
      : false;
  return specChanged || !same(pod.metadata.labels, old.metadata.labels);
}

function watchNodes({ nodes, cache, queue }: Watched): void {
  nodes.handle({
    added(node) {
      cache.setNode(node);
      queue.moveOn("node-added");
    },
    updated(node, old) {
      cache.setNode(node);
      for (const event of nodeEvents(node, old)) queue.moveOn(event);
    },
    deleted: (node) => cache.removeNode(node.metadata.name ?? ""),
  });
}

/** What of a node changed that a pod may have waited for. Heartbeats are nothing. */
export function nodeEvents(node: Node, old: Node): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  if (!same(node.status?.allocatable, old.status?.allocatable)) events.push("node-allocatable");
  if (!same(node.metadata.labels, old.metadata.labels)) events.push("node-labels");
  const cordon = node.spec?.unschedulable !== old.spec?.unschedulable;
  if (cordon || !same(node.spec?.taints, old.spec?.taints)) events.push("node-taints");
  return events;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
