import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CycleState } from "./framework/cycle-state.ts";
import type { Rejection } from "./framework/framework.ts";
import { type Handle, priorityOf } from "./framework/plugin.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";

/**
 * Pods that preemption has nominated to a node and that are not yet bound. Pods of lower priority
 * must not use the resources that the victims free.
 */
export class Nominator {
  /** The node of each pod, by the pod's uid. */
  readonly #nodes = new Map<string, string>();
  /** The pods of each node, by their uids. Invariant: no node without pods. */
  readonly #pods = new Map<string, Map<string, PodInfo>>();

  /** Nominates a pod to a node, and no longer to another. */
  add(info: PodInfo, node: string): void {
    const { uid = "" } = info.pod.metadata;
    this.remove(info.pod);
    this.#nodes.set(uid, node);
    const pods = this.#pods.get(node);
    if (pods) pods.set(uid, info);
    else this.#pods.set(node, new Map([[uid, info]]));
  }

  /** Returns the name of the node that a pod is nominated to. */
  nodeOf({ metadata: { uid = "" } }: Pod): string | undefined {
    return this.#nodes.get(uid);
  }

  remove({ metadata: { uid = "" } }: Pod): void {
    const node = this.#nodes.get(uid);
    if (node === undefined) return;
    this.#nodes.delete(uid);
    const pods = this.#pods.get(node);
    pods?.delete(uid);
    if (pods?.size === 0) this.#pods.delete(node);
  }

  /** Removes and returns the pods of lower priority than `pod` that are nominated to the node. */
  removeLower(pod: Pod, node: string): Pod[] {
    const lower = this.#nominatedTo(node, (other) => priorityOf(other) < priorityOf(pod));
    for (const info of lower) this.remove(info.pod);
    return lower.map((info) => info.pod);
  }

  /**
   * Filters a node as it is, and with the nominated pods of the same or a higher priority, which
   * `state` counts meanwhile: they may never arrive, so that a required affinity must not depend on
   * them. Upstream's RunFilterPluginsWithNominatedPods.
   */
  runFilterPlugins(
    handle: Handle,
    state: CycleState,
    info: PodInfo,
    node: NodeInfo,
  ): Rejection | undefined {
    const rejected = handle.runFilterPlugins(state, info, node);
    if (rejected) return rejected;
    const { uid } = info.pod.metadata;
    const nominated = this.#nominatedTo(
      node.name,
      (other) => other.metadata.uid !== uid && priorityOf(other) >= priorityOf(info.pod),
    );
    if (nominated.length === 0) return undefined;
    const copy = node.withPods(node.pods.values());
    for (const other of nominated) {
      copy.add(other);
      handle.runUpdateWithPod(state, info, other, copy, 1);
    }
    const withThem = handle.runFilterPlugins(state, info, copy);
    for (const other of nominated) handle.runUpdateWithPod(state, info, other, copy, -1);
    return withThem;
  }

  #nominatedTo(node: string, holds: (pod: Pod) => boolean): PodInfo[] {
    const pods = this.#pods.get(node);
    return pods ? [...pods.values()].filter(({ pod }) => holds(pod)) : [];
  }
}
