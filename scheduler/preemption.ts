import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { type BudgetsOf, splitByBudgets } from "./disruption-budgets.ts";
import { CycleState } from "./framework/cycle-state.ts";
import { type Handle, priorityOf } from "./framework/plugin.ts";
import type { Snapshot } from "./framework/snapshot.ts";
import { fitErrorMessage, type Status, unresolvable } from "./framework/status.ts";
import { PREEMPTION_NODES_MAX } from "./limits.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";

/** A node that a pod fits on once the victims are deleted. */
export interface Candidate {
  node: string;
  victims: PodInfo[];
  /** Victims whose end breaks a PodDisruptionBudget. */
  violations: number;
}

export interface PreemptionInput {
  info: PodInfo;
  snapshot: Snapshot;
  handle: Handle;
  /** Why each node was rejected. */
  nodeToStatus: ReadonlyMap<string, Status>;
  /** The budgets that victims should not break, if others will do. */
  budgetsOf: BudgetsOf;
}

/** Upstream adds it to each priority before the sum, so that it grows with each victim. */
const PRIORITY_OFFSET = 2 ** 31;

/** The chosen candidate, or upstream's message that says why there is none. */
export type Preemption =
  | { candidate: Candidate; message?: undefined }
  | { candidate: undefined; message: string };

/**
 * Chooses the node to preempt on: victims have a lower priority than the pod, break as few
 * PodDisruptionBudgets as possible, and are as few and as unimportant as possible. None if no
 * deletion helps, or if earlier victims are still terminating.
 */
export function findCandidate(input: PreemptionInput): Preemption {
  const { info, snapshot, nodeToStatus } = input;
  const none = (why: string) => ({ candidate: undefined, message: `preemption: ${why}` });
  if (info.pod.spec.preemptionPolicy === "Never") {
    return none("not eligible due to preemptionPolicy=Never.");
  }
  if (hasTerminatingVictims(info.pod, snapshot)) {
    return none("not eligible due to a terminating pod on the nominated node.");
  }
  const candidates: Candidate[] = [];
  const statuses: Status[] = [];
  for (const node of snapshot.nodes) {
    if (candidates.length >= PREEMPTION_NODES_MAX) break;
    if (nodeToStatus.get(node.name)?.code !== "Unschedulable") {
      statuses.push(unresolvable("Preemption is not helpful for scheduling"));
      continue;
    }
    const victims = selectVictimsOnNode(input, node);
    if (!Array.isArray(victims)) {
      statuses.push(victims);
      continue;
    }
    candidates.push({ node: node.name, victims, violations: violationsOf(victims, node, input) });
  }
  const candidate = candidates.sort(compareCandidates)[0];
  return candidate ? { candidate } : none(fitErrorMessage(snapshot.nodes.length, statuses));
}

/** Whether pods of lower priority on the pod's nominated node are terminating. */
function hasTerminatingVictims(pod: Pod, snapshot: Snapshot): boolean {
  const nominated = snapshot.get(pod.status?.nominatedNodeName ?? "");
  return [...(nominated?.pods.values() ?? [])].some(({ pod: other }) => {
    return other.metadata.deletionTimestamp && priorityOf(other) < priorityOf(pod);
  });
}

/**
 * Returns the pods to delete from one node, the most important first: all of lower priority, except
 * those with which the pod still fits. Those stay first whose end breaks a PodDisruptionBudget,
 * then the most important (`reprieveOrder`). Returns a status if the pod does not fit even without
 * all of them.
 */
function selectVictimsOnNode(input: PreemptionInput, node: NodeInfo): PodInfo[] | Status {
  // lab:09 begin select-victims-on-node
  const { info, snapshot } = input;
  const copy = node.clone();
  const trial: Snapshot = {
    nodes: snapshot.nodes.map((other) => (other === node ? copy : other)),
    get: (name) => (name === node.name ? copy : snapshot.get(name)),
    namespaceLabels: (name) => snapshot.namespaceLabels(name),
  };
  const lower = [...node.pods.values()].filter(({ pod }) => priorityOf(pod) < priorityOf(info.pod));
  if (lower.length === 0) return unresolvable("No preemption victims found for incoming pod");
  for (const { pod } of lower) copy.remove(pod);
  const status = filterOn(input, trial, copy);
  if (status) return status;
  const victims: PodInfo[] = [];
  for (const reprieved of reprieveOrder(lower.sort(moreImportantFirst), input)) {
    copy.add(reprieved);
    if (!filterOn(input, trial, copy)) continue;
    copy.remove(reprieved.pod);
    victims.push(reprieved);
  }
  return victims.sort(moreImportantFirst);
  // lab:09 end
}

/**
 * Counts the victims whose end breaks a PodDisruptionBudget if all less important pods of the node
 * ended, the most important first, as upstream does.
 */
function violationsOf(victims: PodInfo[], node: NodeInfo, { info, budgetsOf }: PreemptionInput) {
  const priority = priorityOf(info.pod);
  const lower = [...node.pods.values()].filter(({ pod }) => priorityOf(pod) < priority);
  const { violating } = splitByBudgets(lower.toSorted(moreImportantFirst), budgetsOf);
  const breaking = new Set(violating);
  return victims.filter((victim) => breaking.has(victim)).length;
}

/** Puts pods whose end breaks a PodDisruptionBudget before the others, else in their order. */
function reprieveOrder(pods: readonly PodInfo[], { budgetsOf }: PreemptionInput): PodInfo[] {
  const { violating, others } = splitByBudgets(pods, budgetsOf);
  return [...violating, ...others];
}

/** Runs PreFilter and Filter as if the cluster were `trial`. */
function filterOn({ info, handle }: PreemptionInput, trial: Snapshot, node: NodeInfo) {
  const state = new CycleState(trial);
  const rejected = handle.runPreFilterPlugins(state, info);
  return (rejected ?? handle.runFilterPlugins(state, info, node))?.status;
}

function moreImportantFirst(a: PodInfo, b: PodInfo): number {
  return priorityOf(b.pod) - priorityOf(a.pod) || started(a) - started(b);
}

function started({ pod }: PodInfo): number {
  return timeOf(pod.status?.startTime) ?? timeOf(pod.metadata.creationTimestamp) ?? 0;
}

/**
 * Orders candidates, the better first: the fewest violations, the lowest priority of the most
 * important victim, the lowest sum of priorities, each with `PRIORITY_OFFSET`, the fewest victims,
 * then the latest start of the earliest of the most important victims.
 */
function compareCandidates(a: Candidate, b: Candidate): number {
  // lab:09 begin compare-candidates
  const priorities = ({ victims }: Candidate) => victims.map(({ pod }) => priorityOf(pod));
  const highest = (candidate: Candidate) => Math.max(...priorities(candidate));
  const sum = (candidate: Candidate) =>
    priorities(candidate).reduce((all, one) => all + one + PRIORITY_OFFSET, 0);
  const earliest = (candidate: Candidate) => {
    const most = highest(candidate);
    return Math.min(
      ...candidate.victims.filter(({ pod }) => priorityOf(pod) === most).map(started),
    );
  };
  return (
    a.violations - b.violations ||
    highest(a) - highest(b) ||
    sum(a) - sum(b) ||
    a.victims.length - b.victims.length ||
    earliest(b) - earliest(a)
  );
  // lab:09 end
}
