import { timeOf } from "@raft2kube/client-kube/time.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type Plugin, priorityOf, type Rejection, type Snapshot, unfit } from "./framework.ts";
import { PREEMPTION_NODES_MAX } from "./limits.ts";
import { unfitMessage } from "./message.ts";
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

/** Where others are driven away; or why nowhere, in the words of upstream's event. */
export type Preemption = { candidate: Candidate } | { candidate: undefined; why: string };

/**
 * Where a pod may drive others away: only pods of lower priority, as few and as unimportant as can
 * be. Nowhere when nothing would help, or when pods that it drove away before are still leaving.
 */
export function findCandidate(input: PreemptionInput): Preemption {
  const { info, snapshot, rejections } = input;
  const none = (why: string) => ({ candidate: undefined, why: `preemption: ${why}` });
  if (info.pod.spec.preemptionPolicy === "Never") {
    return none("not eligible due to preemptionPolicy=Never.");
  }
  if (isWaiting(info.pod, snapshot)) {
    return none("not eligible due to a terminating pod on the nominated node.");
  }
  const candidates: Candidate[] = [];
  const refusals: Rejection[] = [];
  for (const node of snapshot.nodes) {
    if (candidates.length >= PREEMPTION_NODES_MAX) break;
    if (!rejections.get(node.name)?.resolvable) {
      refusals.push(unfit("Preemption is not helpful for scheduling"));
      continue;
    }
    const victims = victimsOn(input, node);
    if (Array.isArray(victims)) candidates.push({ node: node.name, victims });
    else refusals.push(victims);
  }
  const candidate = candidates.sort(compareCandidates)[0];
  return candidate ? { candidate } : none(unfitMessage(snapshot.nodes.length, refusals));
}

/** Whether the node it was promised has pods of lower priority that are on their way out. */
function isWaiting(pod: Pod, snapshot: Snapshot): boolean {
  const promised = snapshot.get(pod.status?.nominatedNodeName ?? "");
  return [...(promised?.pods.values() ?? [])].some(({ pod: other }) => {
    return other.metadata.deletionTimestamp && priorityOf(other) < priorityOf(pod);
  });
}

/**
 * The pods to drive away from one node: all of lower priority, less those that may stay after all;
 * or why that would not do.
 */
function victimsOn(input: PreemptionInput, node: NodeInfo): PodInfo[] | Rejection {
  const { info, snapshot } = input;
  const copy = node.clone();
  const trial: Snapshot = {
    nodes: snapshot.nodes.map((other) => (other === node ? copy : other)),
    get: (name) => (name === node.name ? copy : snapshot.get(name)),
    namespaceLabels: (name) => snapshot.namespaceLabels(name),
  };
  const lower = [...node.pods.values()].filter(({ pod }) => priorityOf(pod) < priorityOf(info.pod));
  if (lower.length === 0) return unfit("No preemption victims found for incoming pod");
  for (const { pod } of lower) copy.remove(pod);
  const refused = refusal(input, trial, copy);
  if (refused) return refused;
  const victims: PodInfo[] = [];
  for (const spared of lower.sort(moreImportantFirst)) {
    copy.add(spared);
    if (!refusal(input, trial, copy)) continue;
    copy.remove(spared.pod);
    victims.push(spared);
  }
  return victims;
}

function refusal(
  { info, plugins }: PreemptionInput,
  trial: Snapshot,
  node: NodeInfo,
): Rejection | undefined {
  for (const plugin of plugins) {
    const opinion = plugin.consider(info, trial);
    const rejection = opinion.reject ?? opinion.filter?.(node);
    if (rejection) return rejection;
  }
  return undefined;
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
