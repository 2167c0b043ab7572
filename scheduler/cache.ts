import type { Namespace, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import type { Snapshot } from "./framework/snapshot.ts";
import { NodeInfo, type PodInfo, podInfo } from "./node-info.ts";
import { requestsLess } from "./resources.ts";

/**
 * Nodes and their pods from the informers, plus assumed pods: those that got a node in an earlier
 * cycle and whose binding the informer has not shown yet. Without them the next cycle would use the
 * same resources twice.
 */
export class SchedulerCache implements Snapshot {
  readonly #infos = new Map<string, NodeInfo>();
  readonly #assumed = new Map<string, string>();
  readonly #placed = new Map<string, string>();
  readonly #namespaces: ReadStore<Namespace>;
  #nodes: NodeInfo[] | undefined;

  constructor(namespaces: ReadStore<Namespace>) {
    this.#namespaces = namespaces;
  }

  /**
   * Returns the existing nodes in the order of their addition. The pods of a deleted node are kept
   * until they are deleted, but not returned.
   */
  get nodes(): readonly NodeInfo[] {
    this.#nodes ??= [...this.#infos.values()].filter((info) => info.node !== undefined);
    return this.#nodes;
  }

  get(name: string): NodeInfo | undefined {
    const info = this.#infos.get(name);
    return info?.node ? info : undefined;
  }

  namespaceLabels(name: string): Record<string, string> {
    return this.#namespaces.get(name)?.metadata.labels ?? {};
  }

  setNode(node: Node): void {
    this.#info(node.metadata.name ?? "").setNode(node);
    this.#nodes = undefined;
  }

  removeNode(name: string): void {
    const info = this.#infos.get(name);
    if (!info) return;
    info.node = undefined;
    if (info.pods.size === 0) this.#infos.delete(name);
    this.#nodes = undefined;
  }

  /**
   * Adds or replaces a pod that the informer shows on its node; it is no longer assumed. Returns
   * whether it requests less than before.
   */
  setPod(pod: Pod): boolean {
    // lab:09 begin set-pod
    const uid = pod.metadata.uid ?? "";
    this.#assumed.delete(uid);
    const before = this.#infos.get(this.#placed.get(uid) ?? "")?.pods.get(uid);
    const info = podInfo(pod);
    this.#place(info, pod.spec.nodeName ?? "");
    return before !== undefined && requestsLess(info.requests, before.requests);
    // lab:09 end
  }

  /** Adds a pod to the node that it is about to be bound to. */
  assume(info: PodInfo, node: string): void {
    // lab:09 begin assume
    this.#assumed.set(info.pod.metadata.uid ?? "", node);
    this.#place(info, node);
    // lab:09 end
  }

  /** Removes an assumed pod whose binding failed; keeps it if the informer shows it bound. */
  forget(pod: Pod): void {
    // lab:09 begin forget
    if (this.#assumed.delete(pod.metadata.uid ?? "")) this.removePod(pod);
    // lab:09 end
  }

  isAssumed(pod: Pod): boolean {
    return this.#assumed.has(pod.metadata.uid ?? "");
  }

  removePod(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    this.#assumed.delete(uid);
    const name = this.#placed.get(uid);
    if (name === undefined) return;
    this.#placed.delete(uid);
    const info = this.#infos.get(name);
    info?.remove(pod);
    if (info && !info.node && info.pods.size === 0) this.#infos.delete(name);
  }

  #place(info: PodInfo, node: string): void {
    const uid = info.pod.metadata.uid ?? "";
    if (this.#placed.get(uid) !== node) {
      const before = this.#placed.get(uid);
      if (before !== undefined) this.#infos.get(before)?.remove(info.pod);
    }
    this.#placed.set(uid, node);
    this.#info(node).add(info);
  }

  #info(name: string): NodeInfo {
    let info = this.#infos.get(name);
    if (!info) {
      info = new NodeInfo(name);
      this.#infos.set(name, info);
    }
    return info;
  }
}
