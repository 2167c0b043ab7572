import { pick, type Random } from "@raft2kube/std/random.ts";
import type { Opinion, Plugin, Rejection, Reservation, Snapshot } from "./framework.ts";
import { NODES_ALL_BELOW, NODES_SHARE_MIN_PERCENT } from "./limits.ts";
import { unfitMessage } from "./message.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";
import type { Nominations } from "./nominations.ts";

/** A pod's node, and what its plugins hold for it there. */
export interface Placement {
  kind: "placed";
  node: NodeInfo;
  reserve(): Reservation[];
}

/** Why a pod fits nowhere: the text for people, and the plugins whose events may change that. */
export interface Unfit {
  kind: "unfit";
  message: string;
  plugins: Set<string>;
  /** Why each node was turned down; empty when the pod as such was. */
  rejections: Map<string, Rejection>;
}

export type Decision = Placement | Unfit;

export interface CycleInput {
  info: PodInfo;
  snapshot: Snapshot;
  plugins: readonly Plugin[];
  random: Random;
  /** Room that is promised to other pods. */
  nominations?: Nominations;
  /** Where to begin among the nodes, so that large clusters are walked round. */
  start?: number;
}

interface Considered {
  plugin: Plugin;
  opinion: Opinion;
}

/** Chooses a node for one pod: filter, score, pick. Pure but for the random choice among equals. */
export function schedule(input: CycleInput): Decision & { looked: number } {
  const { info, snapshot, plugins, random } = input;
  if (snapshot.nodes.length === 0) {
    const message = "no nodes available to schedule pods";
    const all = new Set(plugins.map((plugin) => plugin.name));
    return { kind: "unfit", message, plugins: all, rejections: new Map(), looked: 0 };
  }
  const considered: Considered[] = [];
  for (const plugin of plugins) {
    const opinion = plugin.consider(info, snapshot);
    if (opinion.reject) return { ...rejectedByAll(plugin, opinion.reject, snapshot), looked: 0 };
    considered.push({ plugin, opinion });
  }
  const { feasible, rejections, plugins: by, looked } = filterNodes(input, considered);
  if (feasible.length === 0) {
    const message = unfitMessage(snapshot.nodes.length, [...rejections.values()]);
    return { kind: "unfit", message, plugins: by, rejections, looked };
  }
  const node = best(feasible, considered, random);
  const reserve = () => considered.flatMap(({ opinion }) => opinion.reserve?.(node) ?? []);
  return { kind: "placed", node, reserve, looked };
}

function rejectedByAll(plugin: Plugin, reject: Rejection, snapshot: Snapshot): Unfit {
  const total = snapshot.nodes.length;
  const message = `0/${total} nodes are available: ${reject.reasons.join(", ")}.`;
  return { kind: "unfit", message, plugins: new Set([plugin.name]), rejections: new Map() };
}

function filterNodes(input: CycleInput, considered: readonly Considered[]) {
  const { nodes } = input.snapshot;
  const enough = nodesToFind(nodes.length);
  const filters = considered.filter(({ opinion }) => opinion.filter);
  const feasible: NodeInfo[] = [];
  const rejections = new Map<string, Rejection>();
  const plugins = new Set<string>();
  let looked = 0;
  for (; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[((input.start ?? 0) + looked) % nodes.length];
    if (!node) continue;
    const seen = input.nominations?.seenBy(input.info, node) ?? node;
    // With the promised pods and without: their coming may also be what an affinity waits for.
    const rejected = firstRejection(filters, node) ??
      (seen === node ? undefined : firstRejection(filters, seen));
    if (!rejected) feasible.push(node);
    else {
      rejections.set(node.name, rejected.rejection);
      plugins.add(rejected.plugin.name);
    }
  }
  return { feasible, rejections, plugins, looked };
}

/** Whether a node takes the pod, by the filters of all plugins in order. */
function firstRejection(
  filters: readonly Considered[],
  node: NodeInfo,
): { plugin: Plugin; rejection: Rejection } | undefined {
  for (const { plugin, opinion } of filters) {
    const rejection = opinion.filter?.(node);
    if (rejection) return { plugin, rejection };
  }
  return undefined;
}

/** How many feasible nodes are enough: all of a small cluster, a shrinking share of a large one. */
export function nodesToFind(total: number): number {
  if (total < NODES_ALL_BELOW) return total;
  const share = Math.max(NODES_SHARE_MIN_PERCENT, 50 - Math.floor(total / 125));
  return Math.max(NODES_ALL_BELOW, Math.floor((total * share) / 100));
}

function best(nodes: readonly NodeInfo[], considered: readonly Considered[], random: Random) {
  const [only] = nodes;
  if (nodes.length === 1 && only) return only;
  const totals = nodes.map(() => 0);
  for (const { plugin, opinion } of considered) {
    if (!opinion.score) continue;
    opinion.prepareScore?.(nodes);
    const raw = nodes.map((node) => opinion.score?.(node) ?? 0);
    const scores = opinion.normalize ? opinion.normalize(raw) : raw;
    scores.forEach((score, index) => {
      totals[index] = (totals[index] ?? 0) + score * plugin.weight;
    });
  }
  const highest = Math.max(...totals);
  return pick(random, nodes.filter((_node, index) => totals[index] === highest));
}
