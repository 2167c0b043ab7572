import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import type { SchedulerCache } from "./cache.ts";
import type { ClusterEvent } from "./framework/plugin.ts";
import { podInfo } from "./node-info.ts";
import type { Nominator } from "./nominator.ts";
import type { SchedulingQueue } from "./queue.ts";

export interface WatchOptions {
  pods: Pick<Informer<Pod>, "handle">;
  nodes: Pick<Informer<Node>, "handle">;
  namespaces: Pick<Informer<Namespace>, "handle">;
  cache: SchedulerCache;
  queue: SchedulingQueue;
  nominator: Nominator;
  /** Whether one of the profiles has the pod's schedulerName. */
  isOurs(pod: Pod): boolean;
}

/** Updates the cache and the queue from the informers, and sends the queue cluster events. */
export function watchCluster(options: WatchOptions): void {
  watchPods(options);
  watchNodes(options);
  const { namespaces, queue } = options;
  namespaces.handle({
    added: () => queue.moveAllToActiveOrBackoff("NamespaceUpdate"),
    updated: () => queue.moveAllToActiveOrBackoff("NamespaceUpdate"),
  });
}

/** Sends the queue `event` for every change of the informers' objects. */
export function watchFor(
  event: "StorageUpdate" | "ResourceClaimUpdate",
  informers: readonly Pick<Informer<KubeObject>, "handle">[],
  queue: SchedulingQueue,
): void {
  const changed = () => queue.moveAllToActiveOrBackoff(event);
  for (const informer of informers) {
    informer.handle({ added: changed, updated: changed, deleted: changed });
  }
}

function watchPods({ pods, cache, queue, nominator, isOurs }: WatchOptions): void {
  const removed = (pod: Pod) => {
    // Also what was kept for it is free: the node that it was being bound to, or nominated to.
    const hadNode = pod.spec.nodeName || cache.isAssumed(pod) || nominator.nodeOf(pod);
    queue.remove(pod);
    nominator.remove(pod);
    cache.removePod(pod);
    if (hadNode) queue.moveAllToActiveOrBackoff("AssignedPodDelete");
  };
  const assigned = (pod: Pod, old?: Pod) => {
    queue.remove(pod);
    nominator.remove(pod);
    if (cache.setPod(pod)) queue.moveAllToActiveOrBackoff("PodRequestScaledDown");
    if (!old?.spec.nodeName) queue.moveAllToActiveOrBackoff("AssignedPodAdd");
    else if (!same(pod.metadata.labels, old.metadata.labels)) {
      queue.moveAllToActiveOrBackoff("PodLabelChange");
    }
  };
  /** Takes up nominations that others wrote, the scheduler before this one among them. */
  const nominated = (pod: Pod, old?: Pod) => {
    const node = pod.status?.nominatedNodeName;
    if (node === old?.status?.nominatedNodeName || cache.isAssumed(pod)) return;
    if (node) nominator.add(podInfo(pod), node);
    else nominator.remove(pod);
  };
  pods.handle({
    added(pod) {
      if (isPodTerminal(pod)) return;
      if (pod.spec.nodeName) return assigned(pod);
      if (!isSchedulable(pod) || !isOurs(pod)) return;
      nominated(pod);
      queue.add(pod);
    },
    updated(pod, old) {
      if (isPodTerminal(pod)) return removed(pod);
      if (pod.spec.nodeName) return assigned(pod, old);
      if (!isOurs(pod)) return;
      if (!isSchedulable(pod)) return queue.remove(pod);
      nominated(pod, old);
      if (!isSchedulable(old) || fitChanged(pod, old)) queue.add(pod);
      else queue.update(pod);
    },
    deleted: removed,
  });
}

/** Whether a pod has no scheduling gates and is not being deleted. */
function isSchedulable(pod: Pod): boolean {
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

function watchNodes({ nodes, cache, queue }: WatchOptions): void {
  nodes.handle({
    added(node) {
      cache.setNode(node);
      queue.moveAllToActiveOrBackoff("NodeAdd");
    },
    updated(node, old) {
      cache.setNode(node);
      for (const event of nodeEvents(node, old)) queue.moveAllToActiveOrBackoff(event);
    },
    deleted(node) {
      cache.removeNode(node.metadata.name ?? "");
      queue.moveAllToActiveOrBackoff("NodeDelete");
    },
  });
}

/** Returns the events of a node's update; none for a heartbeat. */
export function nodeEvents(node: Node, old: Node): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  if (!same(node.status?.allocatable, old.status?.allocatable))
    events.push("NodeAllocatableChange");
  if (!same(node.status?.runtimeHandlers, old.status?.runtimeHandlers)) {
    events.push("NodeRuntimeHandlerChange");
  }
  if (!same(node.metadata.labels, old.metadata.labels)) events.push("NodeLabelChange");
  const cordon = node.spec?.unschedulable !== old.spec?.unschedulable;
  if (cordon || !same(node.spec?.taints, old.spec?.taints)) events.push("NodeTaintChange");
  return events;
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
