import { timeOf } from "@raft2kube/client-kube/time.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type Plugin, priorityOf, type Rejection, type Snapshot } from "./framework.ts";
import { PREEMPTION_NODES_MAX } from "./limits.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";

/** A node that a pod would fit on if these pods left it. */
export interface Candidate {
  node: string;
  victims: PodInfo[];
}

export interface PreemptionInput {
  info: PodInfo;
  snapshot: Snapshot;
  plugins: readonly Plugin[];
  /** Why each node was turned down. */
  rejections: ReadonlyMap<string, Rejection>;
}

/**
 * Where a pod may drive others away: only pods of lower priority, as few and as unimportant as can
 * be. Undefined when nothing would help, or when pods that it drove away before are still leaving.
 */
export function findCandidate(input: PreemptionInput): Candidate | undefined {
  const { info, snapshot, rejections } = input;
  if (info.pod.spec.preemptionPolicy === "Never" || isWaiting(info.pod, snapshot)) return undefined;
  const candidates: Candidate[] = [];
  for (const node of snapshot.nodes) {
    if (candidates.length >= PREEMPTION_NODES_MAX) break;
    if (!rejections.get(node.name)?.resolvable) continue;
    const victims = victimsOn(input, node);
    if (victims) candidates.push({ node: node.name, victims });
  }
  return candidates.sort(compareCandidates)[0];
}

/** Whether the node it was promised has pods of lower priority that are on their way out. */
function isWaiting(pod: Pod, snapshot: Snapshot): boolean {
  const promised = snapshot.get(pod.status?.nominatedNodeName ?? "");
  return [...(promised?.pods.values() ?? [])].some(({ pod: other }) => {
    return other.metadata.deletionTimestamp && priorityOf(other) < priorityOf(pod);
  });
}

/**
 * The pods to drive away from one node: all of lower priority, less those that may stay after all.
 */
function victimsOn(input: PreemptionInput, node: NodeInfo): PodInfo[] | undefined {
  const { info, snapshot } = input;
  const copy = node.clone();
  const trial: Snapshot = {
    nodes: snapshot.nodes.map((other) => (other === node ? copy : other)),
    get: (name) => (name === node.name ? copy : snapshot.get(name)),
    namespaceLabels: (name) => snapshot.namespaceLabels(name),
  };
  const lower = [...node.pods.values()].filter(({ pod }) => priorityOf(pod) < priorityOf(info.pod));
  for (const { pod } of lower) copy.remove(pod);
  if (lower.length === 0 || !fits(input, trial, copy)) return undefined;
  const victims: PodInfo[] = [];
  for (const spared of lower.sort(moreImportantFirst)) {
    copy.add(spared);
    if (fits(input, trial, copy)) continue;
    copy.remove(spared.pod);
    victims.push(spared);
  }
  return victims;
}

function fits({ info, plugins }: PreemptionInput, trial: Snapshot, node: NodeInfo): boolean {
  return plugins.every((plugin) => {
    const opinion = plugin.consider(info, trial);
    return !opinion.reject && !opinion.filter?.(node);
  });
}

function moreImportantFirst(a: PodInfo, b: PodInfo): number {
  return priorityOf(b.pod) - priorityOf(a.pod) || started(a) - started(b);
}

function started({ pod }: PodInfo): number {
  return timeOf(pod.status?.startTime) ?? timeOf(pod.metadata.creationTimestamp) ?? 0;
}

/** Upstream's order: least important victims, fewest, and of those the ones that started last. */
function compareCandidates(a: Candidate, b: Candidate): number {
  const priorities = ({ victims }: Candidate) => victims.map(({ pod }) => priorityOf(pod));
  const highest = (candidate: Candidate) => Math.max(...priorities(candidate));
  const sum = (candidate: Candidate) => priorities(candidate).reduce((all, one) => all + one, 0);
  const earliest = ({ victims }: Candidate) => Math.min(...victims.map(started));
  return (
    highest(a) - highest(b) ||
    sum(a) - sum(b) ||
    a.victims.length - b.victims.length ||
    earliest(b) - earliest(a)
  );
}
