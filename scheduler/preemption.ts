import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { type BudgetsOf, violatingBudgets } from "./disruption-budgets.ts";
import type { CycleState } from "./framework/cycle-state.ts";
import { type Handle, priorityOf } from "./framework/plugin.ts";
import { fitErrorMessage, type Status, unresolvable } from "./framework/status.ts";
import { PREEMPTION_NODES_MIN, PREEMPTION_NODES_PART } from "./limits.ts";
import type { NodeInfo, PodInfo } from "./node-info.ts";
import type { Nominator } from "./nominator.ts";

/** A node that a pod fits on once the victims are deleted. */
export interface Candidate {
  node: string;
  victims: PodInfo[];
  /** Victims whose end breaks a PodDisruptionBudget. */
  violations: number;
}

export interface PreemptionInput {
  info: PodInfo;
  /** The state of the cycle in which no node passed. */
  state: CycleState;
  handle: Handle;
  /** Why each node was rejected. */
  nodeToStatus: ReadonlyMap<string, Status>;
  /** The budgets that victims should not break, if others will do. */
  budgetsOf: BudgetsOf;
  /** Pods nominated to nodes: their places are not free. */
  nominator: Nominator;
  /** Index of the first node to look at, so that not always the same ones have the victims. */
  first?: number;
}

/** The reason of a victim's DisruptionTarget. */
export const PREEMPTED = "PreemptionByScheduler";

const NO_VICTIMS = "No preemption victims found for incoming pod";

/** Upstream adds it to each priority before the sum, so that it grows with each victim. */
const PRIORITY_OFFSET = 2 ** 31;

/**
 * The chosen candidate, or upstream's message that says why there is none, and whether an earlier
 * nomination stays: it does if candidates were not looked for.
 */
export type Preemption =
  | { candidate: Candidate }
  | { candidate: undefined; message: string; keepsNomination: boolean };

/**
 * Chooses the node to preempt on: victims have a lower priority than the pod, break as few
 * PodDisruptionBudgets as possible, and are as few and as unimportant as possible. None if no
 * deletion helps, or if earlier victims are still terminating. A step looks at one node, or at the
 * budgets of one pod, in a copy of the node with the pods that it had in the first step.
 */
export function* findCandidate(input: PreemptionInput): Generator<void, Preemption> {
  const { info } = input;
  const { snapshot } = input.state;
  const none = (why: string, keepsNomination = true): Preemption => {
    return { candidate: undefined, message: `preemption: ${why}`, keepsNomination };
  };
  if (info.pod.spec.preemptionPolicy === "Never") {
    return none("not eligible due to preemptionPolicy=Never.");
  }
  if (hasTerminatingVictims(input)) {
    return none("not eligible due to a terminating pod on the nominated node.");
  }
  const candidates: Candidate[] = [];
  const statuses: Status[] = [];
  const { first = 0 } = input;
  const nodes = [...snapshot.nodes.slice(first), ...snapshot.nodes.slice(0, first)];
  const possible = nodes.filter(({ name }) => mayHelp(name, input)).length;
  const enough = Math.max(PREEMPTION_NODES_MIN, possible / PREEMPTION_NODES_PART);
  for (const [node, pods] of nodes.map((each) => [each, [...each.pods.values()]] as const)) {
    const breaksNone = candidates.some(({ violations }) => violations === 0);
    if (candidates.length >= enough && breaksNone) break;
    const trial = trialOf(node, pods, input);
    if (!(trial instanceof Trial)) {
      statuses.push(trial);
      continue;
    }
    trial.violating = yield* violatingOn(trial.node, input);
    const victims = selectVictimsOnNode(input, trial);
    trial.restore();
    if (Array.isArray(victims)) candidates.push(trial.candidate(victims));
    else statuses.push(victims);
    yield;
  }
  const candidate = candidates.sort(compareCandidates)[0];
  return candidate ? { candidate } : none(fitErrorMessage(nodes.length, statuses), false);
}

/** Whether the node would take the pod if others were not there. */
const mayHelp = (node: string, { nodeToStatus }: PreemptionInput): boolean =>
  nodeToStatus.get(node)?.code === "Unschedulable";

/** A trial of a node in a copy of it, or why no deletion on the node helps. */
function trialOf(node: NodeInfo, pods: readonly PodInfo[], input: PreemptionInput): Trial | Status {
  if (!mayHelp(node.name, input)) {
    return unresolvable("Preemption is not helpful for scheduling");
  }
  const priority = priorityOf(input.info.pod);
  if (!pods.some(({ pod }) => priorityOf(pod) < priority)) return unresolvable(NO_VICTIMS);
  return new Trial(input, node.withPods(pods));
}

/**
 * Whether victims of an earlier preemption are terminating on the pod's nominated node, if the pod
 * may still fit there.
 */
function hasTerminatingVictims({ info: { pod }, state, nodeToStatus }: PreemptionInput): boolean {
  const name = pod.status?.nominatedNodeName ?? "";
  if (nodeToStatus.get(name)?.code !== "Unschedulable") return false;
  return [...(state.snapshot.get(name)?.pods.values() ?? [])].some(
    ({ pod: other }) => priorityOf(other) < priorityOf(pod) && isPreempted(other),
  );
}

function isPreempted({ metadata, status }: Pod): boolean {
  if (!metadata.deletionTimestamp) return false;
  const target = status?.conditions?.find(({ type }) => type === "DisruptionTarget");
  return target?.status === "True" && target.reason === PREEMPTED;
}

/**
 * Returns the pods to delete from one node, the most important first: all of lower priority, except
 * those with which the pod still fits. Those stay first whose end breaks a PodDisruptionBudget,
 * then the most important (`reprieveOrder`). Returns a status if the pod does not fit even without
 * all of them.
 */
function selectVictimsOnNode({ info }: PreemptionInput, trial: Trial): PodInfo[] | Status {
  // lab:09 begin select-victims-on-node
  const { node } = trial;
  const lower = [...node.pods.values()].filter(({ pod }) => priorityOf(pod) < priorityOf(info.pod));
  if (lower.length === 0) return unresolvable(NO_VICTIMS);
  for (const other of lower) trial.remove(other);
  const status = trial.filter();
  if (status) return status;
  const victims: PodInfo[] = [];
  for (const reprieved of reprieveOrder(lower.sort(moreImportantFirst), trial)) {
    trial.add(reprieved);
    if (!trial.filter()) continue;
    trial.remove(reprieved);
    victims.push(reprieved);
  }
  return victims.sort(moreImportantFirst);
  // lab:09 end
}

/** Puts pods whose end breaks a PodDisruptionBudget before the others, else in their order. */
function reprieveOrder(pods: readonly PodInfo[], { violating }: Trial): PodInfo[] {
  return pods.toSorted((a, b) => Number(violating.has(b)) - Number(violating.has(a)));
}

/**
 * Returns the pods whose end breaks a PodDisruptionBudget if all less important pods of the node
 * ended, the most important first, as upstream counts them.
 */
function* violatingOn(node: NodeInfo, { info, budgetsOf }: PreemptionInput) {
  const priority = priorityOf(info.pod);
  const lower = [...node.pods.values()].filter(({ pod }) => priorityOf(pod) < priority);
  return yield* violatingBudgets(lower.toSorted(moreImportantFirst), budgetsOf);
}

/** A copy of a node, whose pods are removed and brought back to see whether the pod fits. */
class Trial {
  readonly input: PreemptionInput;
  readonly node: NodeInfo;
  /** The pods whose end breaks a PodDisruptionBudget. */
  violating: ReadonlySet<PodInfo> = new Set();
  readonly #removed = new Set<PodInfo>();

  constructor(input: PreemptionInput, node: NodeInfo) {
    this.input = input;
    this.node = node;
  }

  remove(other: PodInfo): void {
    this.#update(other, -1);
    this.node.remove(other.pod);
    this.#removed.add(other);
  }

  add(other: PodInfo): void {
    this.#removed.delete(other);
    this.node.add(other);
    this.#update(other, 1);
  }

  /** Brings all pods back: the next trial continues with the same counts. */
  restore(): void {
    for (const other of this.#removed) this.add(other);
  }

  /** Why the pod does not fit now; undefined if it does. */
  filter(): Status | undefined {
    const { handle, nominator, state, info } = this.input;
    return nominator.runFilterPlugins(handle, state, info, this.node)?.status;
  }

  candidate(victims: PodInfo[]): Candidate {
    const violations = victims.filter((victim) => this.violating.has(victim)).length;
    return { node: this.node.name, victims, violations };
  }

  #update(other: PodInfo, sign: 1 | -1): void {
    const { handle, state, info } = this.input;
    handle.runUpdateWithPod(state, info, other, this.node, sign);
  }
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
