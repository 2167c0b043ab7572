import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { priorityOf } from "./framework/plugin.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";

/**
 * Pods that preemption has nominated to a node and that are not yet bound. Pods of lower priority
 * must not use the resources that the victims free.
 */
export class Nominator {
  readonly #byPod = new Map<string, { info: PodInfo; node: string }>();

  add(info: PodInfo, node: string): void {
    this.#byPod.set(info.pod.metadata.uid ?? "", { info, node });
  }

  remove(pod: Pod): void {
    this.#byPod.delete(pod.metadata.uid ?? "");
  }

  /**
   * Returns a copy of the node with the nominated pods of the same or a higher priority than `pod`;
   * the node itself if there are none.
   */
  withNominatedPods({ pod }: PodInfo, node: NodeInfo): NodeInfo {
    if (this.#byPod.size === 0) return node;
    const nominated = [...this.#byPod.values()].filter((nomination) => {
      const other = nomination.info.pod;
      const same = other.metadata.uid === pod.metadata.uid;
      return nomination.node === node.name && !same && priorityOf(other) >= priorityOf(pod);
    });
    if (nominated.length === 0) return node;
    const copy = node.clone();
    for (const { info } of nominated) copy.add(info);
    return copy;
  }
}
