import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { priorityOf } from "./framework.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";

/**
 * Nodes promised to pods for which others were driven away. Until they are there, pods of lower
 * priority must not take the room.
 */
export class Nominations {
  readonly #byPod = new Map<string, { info: PodInfo; node: string }>();

  add(info: PodInfo, node: string): void {
    this.#byPod.set(info.pod.metadata.uid ?? "", { info, node });
  }

  remove(pod: Pod): void {
    this.#byPod.delete(pod.metadata.uid ?? "");
  }

  /** The node as `info` may see it: with the pods promised to it that are not less important. */
  seenBy({ pod }: PodInfo, node: NodeInfo): NodeInfo {
    if (this.#byPod.size === 0) return node;
    const promised = [...this.#byPod.values()].filter((promise) => {
      const other = promise.info.pod;
      const same = other.metadata.uid === pod.metadata.uid;
      return promise.node === node.name && !same && priorityOf(other) >= priorityOf(pod);
    });
    if (promised.length === 0) return node;
    const copy = node.clone();
    for (const { info } of promised) copy.add(info);
    return copy;
  }
}
