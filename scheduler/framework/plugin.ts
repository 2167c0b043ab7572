import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";
import type { CycleState } from "./cycle-state.ts";
import type { Result, SKIP, Status } from "./status.ts";

/** Changes after which a pod that was rejected may fit, with upstream's names in its metrics. */
export type ClusterEvent =
  | "NodeAdd"
  | "NodeDelete"
  | "NodeAllocatableChange"
  | "NodeRuntimeHandlerChange"
  | "NodeLabelChange"
  | "NodeTaintChange"
  | "AssignedPodDelete"
  | "PodRequestScaledDown"
  | "AssignedPodAdd"
  | "PodLabelChange"
  | "NamespaceUpdate"
  | "StorageUpdate"
  | "ResourceClaimUpdate";

/**
 * One concern of scheduling. A plugin implements one or more of the extension points below, under
 * upstream's names; its declared type lists them.
 */
export interface Plugin {
  readonly name: string;
  /** Changes after which a pod that this plugin rejected is tried again. */
  readonly events: readonly ClusterEvent[];
}

/**
 * Runs once per cycle before Filter; a status rejects the pod on every node, and `state.narrow`
 * leaves nodes out.
 */
export interface PreFilterPlugin extends Plugin {
  preFilter(state: CycleState, info: PodInfo): Result | typeof SKIP;
  /**
   * Updates what `preFilter` counted: preemption has brought `other` back to a copy of a node (1),
   * or is about to remove it (-1). Upstream's AddPod and RemovePod.
   */
  updateWithPod?(
    state: CycleState,
    info: PodInfo,
    other: PodInfo,
    node: NodeInfo,
    sign: 1 | -1,
  ): void;
}

/** Runs for one node after another; a status says why the node cannot run the pod. */
export interface FilterPlugin extends Plugin {
  filter(state: CycleState, info: PodInfo, node: NodeInfo): Result;
}

/** Runs when no node passed the filters. */
export interface PostFilterPlugin extends Plugin {
  postFilter(
    state: CycleState,
    info: PodInfo,
    nodeToStatus: ReadonlyMap<string, Status>,
    handle: Handle,
  ): Promise<PostFilterResult>;
}

/** Runs once per cycle before Score, with the nodes that passed the filters. */
export interface PreScorePlugin extends Plugin {
  preScore(state: CycleState, info: PodInfo, nodes: readonly NodeInfo[]): typeof SKIP | undefined;
}

/** Ranks the nodes that passed the filters. */
export interface ScorePlugin extends Plugin {
  /** Factor of this plugin's scores in the sum; a profile may change it. */
  readonly weight: number;
  /** Returns 0 to SCORE_MAX, or any range if `normalizeScore` maps it to that. */
  score(state: CycleState, info: PodInfo, node: NodeInfo): number;
  normalizeScore?(scores: number[]): number[];
}

/** Keeps what the pod will use on its node from later cycles until the pod is bound. */
export interface ReservePlugin extends Plugin {
  reserve(state: CycleState, info: PodInfo, node: NodeInfo): void;
  /** Undoes `reserve` after a failure; also called when `reserve` did not run. */
  unreserve(state: CycleState, info: PodInfo, node: NodeInfo): void;
}

/** Delays binding until the promise resolves, or fails it. */
export interface PermitPlugin extends Plugin {
  permit(state: CycleState, info: PodInfo, node: NodeInfo, signal: AbortSignal): Promise<void>;
}

/** Completes work that must be done before the pod is bound, such as binding its volumes. */
export interface PreBindPlugin extends Plugin {
  preBind(state: CycleState, info: PodInfo, node: NodeInfo, signal: AbortSignal): Promise<void>;
}

/** Assigns the pod to the node through the API. */
export interface BindPlugin extends Plugin {
  bind(state: CycleState, info: PodInfo, node: NodeInfo): Promise<void>;
}

/**
 * The result of PostFilter: a node that preemption can free, or why there is none. An earlier
 * nomination is taken back then, unless `keepsNomination`: its victims have yet to end.
 */
export type PostFilterResult =
  | { nominatedNodeName: string; prepareCandidate(): Promise<void> }
  | { nominatedNodeName: undefined; message: string; keepsNomination?: boolean };

/** The extension points that a plugin may run itself: preemption filters nodes without victims. */
export interface Handle {
  runUpdateWithPod(...update: Parameters<NonNullable<PreFilterPlugin["updateWithPod"]>>): void;
  runFilterPlugins(
    state: CycleState,
    info: PodInfo,
    node: NodeInfo,
  ): { plugin: Plugin; status: Status } | undefined;
}

/** Scales scores so that the highest is 100; `reverse` makes the lowest raw score the best. */
export function defaultNormalizeScore(scores: number[], reverse = false): number[] {
  const highest = Math.max(0, ...scores);
  if (highest === 0) return scores.map(() => (reverse ? 100 : 0));
  return scores.map((score) => {
    const scaled = Math.floor((score * 100) / highest);
    return reverse ? 100 - scaled : scaled;
  });
}

/** Returns the priority that admission copied from the pod's class into its spec. */
export const priorityOf = (pod: Pod): number => pod.spec.priority ?? 0;
