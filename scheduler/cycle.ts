import { pick, type Random } from "@raft2kube/std/random.ts";
import { CycleState } from "./framework/cycle-state.ts";
import type { Framework } from "./framework/framework.ts";
import type { Snapshot } from "./framework/snapshot.ts";
import { fitErrorMessage, type Status, unresolvable } from "./framework/status.ts";
import { FEASIBLE_NODES_MIN, FEASIBLE_NODES_PERCENT_MIN } from "./limits.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";
import { Nominator } from "./nominator.ts";

/** A pod's node, and the state that its plugins keep for the binding cycle. */
export interface ScheduleResult {
  kind: "scheduled";
  suggestedHost: NodeInfo;
  state: CycleState;
  evaluatedNodes: number;
}

/** Why a pod fits on no node: upstream's FitError with its Diagnosis. */
export interface FitError {
  kind: "unschedulable";
  message: string;
  state: CycleState;
  /** Plugins whose events may change the outcome. */
  unschedulablePlugins: Set<string>;
  /** Why each node was rejected; empty when PreFilter rejected the pod on all nodes. */
  nodeToStatus: Map<string, Status>;
  evaluatedNodes: number;
}

export interface CycleInput {
  info: PodInfo;
  snapshot: Snapshot;
  framework: Framework;
  random: Random;
  /** Pods that preemption has nominated to nodes; none by default. */
  nominator?: Nominator;
  /** Index of the first node to evaluate, so that cycles of a large cluster take turns. */
  nextStartNodeIndex?: number;
}

/**
 * Runs PreFilter, Filter, PreScore and Score for one pod and picks a node with the highest score.
 * Pure except for the random choice among equal scores.
 */
export function schedulePod(input: CycleInput): ScheduleResult | FitError {
  const { info, snapshot, framework, random } = input;
  const state = new CycleState(snapshot);
  const numAllNodes = snapshot.nodes.length;
  if (numAllNodes === 0) {
    const names = framework.plugins.map((plugin) => plugin.name);
    return fitError(state, "no nodes available to schedule pods", names);
  }
  const rejected = framework.runPreFilterPlugins(state, info);
  if (rejected) {
    const { plugin, status } = rejected;
    const message = `0/${numAllNodes} nodes are available: ${status.reasons.join(", ")}.`;
    return fitError(state, message, [plugin.name]);
  }
  const nominated = nominatedNode(input, state);
  if (nominated) return { kind: "scheduled", suggestedHost: nominated, state, evaluatedNodes: 1 };
  const { feasible, nodeToStatus, plugins, evaluatedNodes } = framework.timed("Filter", () =>
    findNodesThatPass(input, state),
  );
  if (feasible.length === 0) {
    const statuses = [...nodeToStatus.values()];
    if (state.narrowedBy !== undefined) {
      const left = unresolvable(`node(s) didn't satisfy plugin(s) [${state.narrowedBy}]`);
      statuses.push(...Array.from({ length: numAllNodes - state.nodes.length }, () => left));
      plugins.add(state.narrowedBy);
    }
    const message = fitErrorMessage(numAllNodes, statuses);
    return { ...fitError(state, message, plugins), nodeToStatus, evaluatedNodes };
  }
  const suggestedHost = selectHost(input, state, feasible, random);
  return { kind: "scheduled", suggestedHost, state, evaluatedNodes };
}

/**
 * Returns the node that the pod is nominated to if it fits there: victims were deleted for it, or
 * an autoscaler has added it (upstream's evaluateNominatedNode).
 */
function nominatedNode(
  { info, snapshot, framework, nominator = new Nominator() }: CycleInput,
  state: CycleState,
): NodeInfo | undefined {
  const node = snapshot.get(nominator.nodeOf(info.pod) ?? "");
  if (!node) return undefined;
  return nominator.runFilterPlugins(framework, state, info, node) ? undefined : node;
}

function fitError(state: CycleState, message: string, plugins: Iterable<string>): FitError {
  const unschedulablePlugins = new Set(plugins);
  const nodeToStatus = new Map<string, Status>();
  const none = { nodeToStatus, evaluatedNodes: 0 };
  return { kind: "unschedulable", message, state, unschedulablePlugins, ...none };
}

/** Nodes that pass all filters, and why each other one did not. */
interface Found {
  feasible: NodeInfo[];
  nodeToStatus: Map<string, Status>;
  /** Plugins that rejected a node. */
  plugins: Set<string>;
  evaluatedNodes: number;
}

/**
 * Filters nodes from `nextStartNodeIndex` on, round the end, until enough are feasible. A pod must
 * fit with the nominated pods of a node, and without them, both in the cycle's `state`.
 */
function findNodesThatPass(input: CycleInput, state: CycleState): Found {
  // lab:09 begin find-nodes-that-pass
  const { info, framework, nominator = new Nominator(), nextStartNodeIndex = 0 } = input;
  const { nodes } = state;
  const enough = numFeasibleNodesToFind(nodes.length);
  const feasible: NodeInfo[] = [];
  const nodeToStatus = new Map<string, Status>();
  const plugins = new Set<string>();
  let evaluatedNodes = 0;
  for (; evaluatedNodes < nodes.length && feasible.length < enough; evaluatedNodes++) {
    const node = nodes[(nextStartNodeIndex + evaluatedNodes) % nodes.length];
    if (!node) continue;
    const rejected = nominator.runFilterPlugins(framework, state, info, node);
    if (!rejected) feasible.push(node);
    else {
      nodeToStatus.set(node.name, rejected.status);
      plugins.add(rejected.plugin.name);
    }
  }
  return { feasible, nodeToStatus, plugins, evaluatedNodes };
  // lab:09 end
}

/** Returns how many feasible nodes end the search: all of a small cluster, a share of a large. */
export function numFeasibleNodesToFind(numAllNodes: number): number {
  if (numAllNodes < FEASIBLE_NODES_MIN) return numAllNodes;
  const percent = Math.max(FEASIBLE_NODES_PERCENT_MIN, 50 - Math.floor(numAllNodes / 125));
  return Math.max(FEASIBLE_NODES_MIN, Math.floor((numAllNodes * percent) / 100));
}

/** One of the nodes with the highest score, at random; a single one needs no PreScore and Score. */
function selectHost(
  { info, framework }: CycleInput,
  state: CycleState,
  nodes: readonly NodeInfo[],
  random: Random,
): NodeInfo {
  // lab:09 begin select-host
  const [only] = nodes;
  if (nodes.length === 1 && only) return only;
  framework.runPreScorePlugins(state, info, nodes);
  const totals = framework.runScorePlugins(state, info, nodes);
  const highest = Math.max(...totals);
  return pick(
    random,
    nodes.filter((_node, index) => totals[index] === highest),
  );
  // lab:09 end
}
