import { mayRestartAll } from "@raft2kube/api/core/v1/pod/restart-rules.ts";
import type { ContainerStatus, Pod, PodCondition, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { RESIZE_CONDITIONS } from "../allocation/resize-state.ts";
import { isRestartableInit } from "../pods/pod-identity.ts";
import type { PodPhase } from "./phase.ts";

/** The condition types that only the kubelet writes. */
const KUBELET_CONDITIONS: readonly string[] = [
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
  "AllContainersRestarting",
  ...RESIZE_CONDITIONS,
];

const BY_KUBELET = "TerminationByKubelet";

/** Whether the kubelet owns a condition, by its type or reason. */
export function isOwn({ type = "", reason }: PodCondition): boolean {
  return KUBELET_CONDITIONS.includes(type) || reason === BY_KUBELET;
}

/**
 * Returns the DisruptionTarget condition, by which controllers do not count the pod's end as a
 * failure (`podFailurePolicy`).
 */
export function disruption({ message }: { message: string }): Condition {
  return { type: "DisruptionTarget", status: "True", reason: BY_KUBELET, message };
}

export interface ConditionFacts {
  pod: Pod;
  previous: PodStatus | undefined;
  phase: PodPhase;
  initStatuses: ContainerStatus[];
  statuses: ContainerStatus[];
  /** Names of containers that are yet to be started again, as all of the pod's are. */
  past: ReadonlySet<string>;
  sandboxReady: boolean;
}

type Condition = PodCondition & { type: string; status: "True" | "False" };

/** Returns the kubelet's own conditions without times (`withTransitionTimes` adds them). */
export function podConditions(facts: ConditionFacts): Condition[] {
  const containers = containersReady(facts);
  return [
    { type: "PodReadyToStartContainers", status: facts.sandboxReady ? "True" : "False" },
    initialized(facts),
    { ...podReady(facts, containers), type: "Ready" },
    { ...containers, type: "ContainersReady" },
    // Set for every pod on the node: some were never scheduled.
    { type: "PodScheduled", status: "True" },
    ...allRestarting(facts),
  ];
}

/** Reasons of conditions that are false as the pod has ended. */
const ENDS: Partial<Record<PodPhase, string>> = { Succeeded: "PodCompleted", Failed: "PodFailed" };

/** Pods that have a rule for it show whether all of their containers are being restarted. */
function allRestarting({ pod: { spec }, phase, past }: ConditionFacts): Condition[] {
  if (!mayRestartAll(spec)) return [];
  const type = "AllContainersRestarting";
  const end = ENDS[phase];
  if (end !== undefined) return [{ type, status: "False", reason: end }];
  if (past.size === 0) return [{ type, status: "False" }];
  const message = "container exited with restart policy rule";
  return [{ type, status: "True", reason: "RestartAllContainersStarted", message }];
}

/** Adds transition times: an unchanged status keeps its time, others get `now`. */
export function withTransitionTimes(
  conditions: PodCondition[],
  previous: PodCondition[],
  now: string,
): PodCondition[] {
  return conditions.map((condition) => {
    const before = previous.find((one) => one.type === condition.type);
    const since = before?.status === condition.status ? before?.lastTransitionTime : undefined;
    return { ...condition, lastTransitionTime: since ?? now };
  });
}

/** A pod that was initialized stays so, also where its init containers run again (upstream). */
function initialized(facts: ConditionFacts): Condition {
  const { pod, previous, phase, initStatuses, statuses } = facts;
  const type = "Initialized";
  if (phase === "Succeeded") return { type, status: "True", reason: "PodCompleted" };
  const begun = statuses.some((one) => one.state?.running || one.state?.terminated);
  const pending = (pod.spec.initContainers ?? []).filter((container) => {
    const status = initStatuses.find((one) => one.name === container.name);
    if (isRestartableInit(container)) return !status?.started && !begun;
    return status?.state?.terminated?.exitCode !== 0 && !begun;
  });
  const was = previous?.conditions?.some((one) => one.type === type && one.status === "True");
  if (pending.length === 0 || was) return { type, status: "True" };
  return {
    type,
    status: "False",
    reason: "ContainersNotInitialized",
    message: `containers with incomplete status: [${pending.map((one) => one.name).join(" ")}]`,
  };
}

function containersReady({ pod, phase, initStatuses, statuses }: ConditionFacts): Condition {
  const type = "ContainersReady";
  const end = ENDS[phase];
  if (end !== undefined) return { type, status: "False", reason: end };
  const wanted = [
    ...(pod.spec.initContainers ?? []).filter(isRestartableInit),
    ...(pod.spec.containers ?? []),
  ];
  const all = [...initStatuses, ...statuses];
  const unready = wanted.filter(({ name }) => !all.find((one) => one.name === name)?.ready);
  if (unready.length === 0) return { type, status: "True" };
  return {
    type,
    status: "False",
    reason: "ContainersNotReady",
    message: `containers with unready status: [${unready.map((one) => one.name).join(" ")}]`,
  };
}

function podReady({ pod }: ConditionFacts, containers: Condition): Condition {
  if (containers.status !== "True") return containers;
  const present = pod.status?.conditions ?? [];
  const problems = (pod.spec.readinessGates ?? []).flatMap(({ conditionType = "" }) => {
    const gate = present.find((one) => one.type === conditionType);
    const what = `of pod readiness gate "${conditionType}"`;
    if (!gate) return [`corresponding condition ${what} does not exist.`];
    if (gate.status === "True") return [];
    return [`the status ${what} is not "True", but ${gate.status}`];
  });
  if (problems.length === 0) return { type: "Ready", status: "True" };
  const message = problems.join(", ");
  return { type: "Ready", status: "False", reason: "ReadinessGatesNotReady", message };
}
