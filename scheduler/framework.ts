import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";

/** The nodes as of one cycle; pods assumed by earlier cycles are in them. */
export interface Snapshot {
  readonly nodes: readonly NodeInfo[];
  get(name: string): NodeInfo | undefined;
  /** The labels of a namespace, for selectors over namespaces. */
  namespaceLabels(name: string): Record<string, string>;
}

/** Why a node, or every node, cannot take a pod. */
export interface Rejection {
  reasons: string[];
  /** Whether it might fit if other pods left the node. */
  resolvable: boolean;
}

/** Something a plugin holds for a pod that was given a node, until the pod is bound. */
export interface Reservation {
  /** Makes it real; the pod is bound when all have resolved. */
  bind(signal: AbortSignal): Promise<void>;
  /** Gives it up. */
  release(): void;
}

/** What a plugin says about one pod. What is absent it has no opinion on. */
export interface Opinion {
  /** No node can take it. */
  reject?: Rejection;
  /** Why this node cannot take it; undefined when it can. */
  filter?(node: NodeInfo): Rejection | undefined;
  /** Called for the nodes that can take it, to weigh what is relative among them. */
  prepareScore?(nodes: readonly NodeInfo[]): void;
  /** How well this node suits it, in any unit if `normalize` makes 0 to 100 of it. */
  score?(node: NodeInfo): number;
  normalize?(scores: number[]): number[];
  reserve?(node: NodeInfo): Reservation | undefined;
}

/** Changes that may let a pod fit that did not. */
export type ClusterEvent =
  | "node-added"
  | "node-allocatable"
  | "node-labels"
  | "node-taints"
  | "pod-removed"
  | "pod-assigned"
  | "namespace"
  | "volumes"
  | "resource-claims";

/** One concern of scheduling. */
export interface Plugin {
  readonly name: string;
  /** Its share in the sum of scores. */
  readonly weight: number;
  /** After which changes a pod that it turned down is worth another try. */
  readonly events: readonly ClusterEvent[];
  consider(info: PodInfo, snapshot: Snapshot): Opinion;
}

/** A rejection by something that only other pods' leaving could change. */
export function crowded(...reasons: string[]): Rejection {
  return { reasons, resolvable: true };
}

/** A rejection that lasts whatever other pods do. */
export function unfit(...reasons: string[]): Rejection {
  return { reasons, resolvable: false };
}

/** Scales scores so that the highest is 100; `reverse` makes the lowest raw score the best. */
export function scaleToHighest(scores: number[], reverse = false): number[] {
  const highest = Math.max(0, ...scores);
  if (highest === 0) return scores.map(() => (reverse ? 100 : 0));
  return scores.map((score) => {
    const scaled = Math.floor((score * 100) / highest);
    return reverse ? 100 - scaled : scaled;
  });
}

/** The priority of a pod: its class' value, put into its spec by admission. */
export function priorityOf(pod: Pod): number {
  return pod.spec.priority ?? 0;
}
