import type {
  Container,
  ContainerStatus,
  Pod,
  PodCondition,
  PodStatus,
  ResourceRequirements,
} from "@raft2kube/api/gen/core/v1.ts";
import {
  NO_RESIZE,
  RESIZE_CONDITIONS,
  type ResizeState,
  resizeConditions,
} from "../allocation/resize-state.ts";
import { resourcesOf, withResources } from "../allocation/resources.ts";
import { podRequirements, qosClassOf } from "../containers/qos.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import { podRun } from "../cri/pod-run.ts";
import { TERMINATION_MESSAGES_BYTES_MAX } from "../limits.ts";
import { containersOf, isRestartableInit } from "../pods/pod-identity.ts";
import { disruption, podConditions, withTransitionTimes } from "./conditions.ts";
import { containerResourcesStatus } from "./container-resources.ts";
import { apiTime, containerStatus, type WaitingReason } from "./container-status.ts";
import { type PodPhase, podPhase } from "./phase.ts";

/** Decision of the kubelet to stop or refuse a pod: phase Failed with this reason. */
export interface PodVerdict {
  /** `Evicted`, `DeadlineExceeded`, `OutOfcpu`, `UnexpectedAdmissionError`, ... */
  reason: string;
  message: string;
  /** The node is short of a resource and the pod did nothing wrong. */
  disrupted?: boolean;
  /** The node did not admit the pod: nothing of it was started. */
  refused?: boolean;
}

export interface StatusFacts {
  /** The pod with the resources allocated to it. */
  pod: Pod;
  observed: ObservedPod;
  /** Last known status, for transition times and for containers that the runtime no longer has. */
  previous: PodStatus | undefined;
  /** Reasons to wait by container name. */
  waiting: ReadonlyMap<string, WaitingReason>;
  /**
   * Ids of containers that were stopped to be started again. They are shown as waiting: one that
   * has ended well may not be shown as running later, where the policy does not restart it.
   */
  restarting: ReadonlySet<string>;
  verdict: PodVerdict | undefined;
  /** The pod is being stopped for good, or has been. */
  ending: boolean;
  /** Everything of the pod is stopped and stays so. */
  ended: boolean;
  readiness(container: ObservedContainer): { ready: boolean; started: boolean };
  terminationMessage(observed: ObservedContainer): string | undefined;
  resize?: ResizeState;
  /** Resources that a running container, or the pod (`POD`), has instead of those allocated. */
  resourcesBefore?(name: string): ResourceRequirements | undefined;
  hostIPs: string[];
  runtimeName: string;
  now_ms: number;
}

/** Returns the status of a pod from the reports of runtime and probes. Pure. */
export function podStatus(facts: StatusFacts): PodStatus {
  const { pod, observed, previous, hostIPs } = facts;
  const [sandbox] = observed.sandboxes;
  // Nothing is started again in a pod that ends, though what ends in it has a rule that says so.
  const past = facts.ending ? NONE : podRun(pod, observed).waiting;
  const begun = observed.containers.some((one) =>
    (pod.spec.containers ?? []).some((container) => container.name === one.name),
  );
  const initStatuses = statusesOf(facts, pod.spec.initContainers, begun, "init", past);
  const statuses = statusesOf(facts, pod.spec.containers, begun, "regular", past);
  const ephemeral = statusesOf(
    facts,
    pod.spec.ephemeralContainers as Container[] | undefined,
    begun,
    "ephemeral",
    past,
  );
  const final = finalPhase(facts);
  const derived = podPhase({ pod, initStatuses, statuses, past, ended: facts.ended });
  const phase = final?.phase ?? (facts.ended ? derived : openPhase(derived, previous));
  const sandboxReady = sandbox?.ready ?? false;
  const isRefused = isRefusal(facts) && [...initStatuses, ...statuses].every(neverWas);
  const conditions: PodCondition[] = [
    ...podConditions({ pod, previous, phase, initStatuses, statuses, past, sandboxReady }),
    ...(facts.verdict?.disrupted ? [disruption(facts.verdict)] : []),
    ...(facts.ended ? [] : resizeConditions(facts.resize ?? NO_RESIZE)),
  ];
  const ips = addressesOf(facts);
  const now = apiTime(facts.now_ms);
  return {
    ...observedGeneration(pod),
    phase,
    ...(final?.reason ? { reason: final.reason } : {}),
    ...(final?.message ? { message: final.message } : {}),
    conditions: allConditions(pod, conditions, previous, now),
    ...(hostIPs[0] ? { hostIP: hostIPs[0], hostIPs: hostIPs.map((ip) => ({ ip })) } : {}),
    ...(ips[0] ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : {}),
    startTime: previous?.startTime ?? now,
    qosClass: qosClassOf(pod),
    ...podResourcesStatus(pod, facts.resourcesBefore),
    ...(isRefused
      ? {}
      : {
          ...(initStatuses.length > 0 ? { initContainerStatuses: initStatuses } : {}),
          ...(statuses.length > 0 ? { containerStatuses: statuses } : {}),
          ...(ephemeral.length > 0 ? { ephemeralContainerStatuses: ephemeral } : {}),
        }),
  };
}

/**
 * Returns the addresses that the pod has; those that it had if it ends. While its sandbox is down
 * it has none (upstream shows the former ones): they become those of other tenants' pods, and its
 * author, who can keep the sandbox down, would have policies, endpoints and `pods/proxy` there.
 */
function addressesOf({ observed, previous, ending, hostIPs }: StatusFacts): string[] {
  const [sandbox] = observed.sandboxes;
  if (sandbox?.hostNetwork) return hostIPs;
  if (sandbox?.ready) return sandbox.ips;
  return ending ? (previous?.podIPs ?? []).map(({ ip }) => ip ?? "") : [];
}

/**
 * Returns the phase while the pod may still hold resources: its end is reported only when all of it
 * is stopped, since the scheduler then assigns its resources to another pod (upstream's rule).
 */
function openPhase(derived: PodPhase, previous: PodStatus | undefined): PodPhase {
  if (derived !== "Succeeded" && derived !== "Failed") return derived;
  return previous?.phase === "Pending" ? "Pending" : "Running";
}

/**
 * Returns the resources allocated to the pod with its containers, and those that its cgroup has,
 * both without overhead: the scheduler adds that.
 */
function podResourcesStatus(
  whole: Pod,
  before: StatusFacts["resourcesBefore"],
): Pick<PodStatus, "allocatedResources" | "resources"> {
  const { overhead, ...spec } = whole.spec;
  const pod = overhead ? { ...whole, spec } : whole;
  const { requests: allocatedResources } = podRequirements(pod);
  const actual = Object.keys(resourcesOf(pod)).flatMap((name) => {
    const resources = before?.(name);
    return resources ? [[name, resources]] : [];
  });
  const { requests, limits } = podRequirements(withResources(pod, Object.fromEntries(actual)));
  const lists = [allocatedResources, requests, limits];
  if (lists.every((list) => Object.keys(list).length === 0)) return {};
  return { allocatedResources, resources: { requests, limits } };
}

const neverWas = ({ state, lastState, containerID }: ContainerStatus): boolean =>
  state?.waiting !== undefined && lastState?.terminated === undefined && containerID === undefined;

/**
 * Whether the node has not admitted the pod, before a restart of the kubelet too. Such a pod lists
 * no containers: clients show its reason instead of theirs. One that was evicted, or exceeded its
 * deadline, before its containers ran lists them.
 */
function isRefusal({ verdict, previous, ended }: StatusFacts): boolean {
  if (previous?.phase === "Failed") return previous.containerStatuses === undefined;
  return ended && verdict?.refused === true;
}

type FinalPhase = { phase: PodPhase; reason?: string; message?: string };

/**
 * Returns the final phase: a pod that has succeeded or failed stays so; one that the node has
 * stopped fails with the node's reason, once all of it is stopped.
 */
function finalPhase({ previous, verdict, ended }: StatusFacts): FinalPhase | undefined {
  const { phase, reason, message } = previous ?? {};
  if (phase === "Succeeded" || phase === "Failed") {
    return { phase, ...(reason ? { reason } : {}), ...(message ? { message } : {}) };
  }
  if (verdict === undefined || !ended) return undefined;
  return { phase: "Failed", reason: verdict.reason, message: verdict.message };
}

function statusesOf(
  facts: StatusFacts,
  containers: Container[] | undefined,
  begun: boolean,
  kind: "init" | "regular" | "ephemeral",
  past: ReadonlySet<string>,
): ContainerStatus[] {
  const { pod, observed, previous } = facts;
  const lists = {
    init: previous?.initContainerStatuses,
    regular: previous?.containerStatuses,
    ephemeral: previous?.ephemeralContainerStatuses,
  };
  const waitsForInit = !begun && (pod.spec.initContainers ?? []).length > 0;
  const reason = waitsForInit ? "PodInitializing" : "ContainerCreating";
  return (containers ?? []).map((container) => {
    const name = container.name;
    const own = observed.containers.filter((one) => one.name === name);
    const [current] = own;
    const defaultWaiting = { reason, message: "" };
    const restarts = current !== undefined && facts.restarting.has(current.id);
    const restarting = past.has(name) ? RESTARTING_ALL : restarts ? defaultWaiting : undefined;
    const waiting = facts.waiting.get(name) ?? restarting;
    const { ready, started } = current ? facts.readiness(current) : NOT_READY;
    const status = containerStatus({
      container,
      observed: own,
      previous: lists[kind]?.find((one) => one.name === name),
      waiting: facts.ended ? undefined : waiting,
      defaultWaiting,
      ready,
      started,
      runtimeName: facts.runtimeName,
      terminationMessage: facts.terminationMessage,
      messageBytes_max: Math.floor(TERMINATION_MESSAGES_BYTES_MAX / containersOf(pod).length),
      isStep: kind === "init" && !isRestartableInit(container),
    });
    if (kind === "ephemeral") return status;
    const before = facts.resourcesBefore?.(name);
    return { ...status, ...containerResourcesStatus(container, current, before) };
  });
}

/** Returns the generation of the pod that a status or condition is about. */
function observedGeneration({ metadata: { generation } }: Pod): { observedGeneration?: number } {
  return generation === undefined ? {} : { observedGeneration: generation };
}

const RESTARTING_ALL: WaitingReason = { reason: "RestartingAllContainers", message: "" };

const NONE: ReadonlySet<string> = new Set();

const NOT_READY = { ready: false, started: false };

/** Returns the kubelet's conditions with those of others (readiness gates, disruption). */
function allConditions(
  pod: Pod,
  own: PodCondition[],
  previous: PodStatus | undefined,
  now: string,
): PodCondition[] {
  const others = (pod.status?.conditions ?? []).filter(
    (condition) => !own.some(({ type }) => type === condition.type) && !isResize(condition),
  );
  // A new pod has the time at which the API server bound it.
  const before = [...(previous?.conditions ?? []), ...(pod.status?.conditions ?? [])];
  const all = own.map((each) => ({ ...observedGeneration(pod), ...each }));
  return [...withTransitionTimes(all, before, now), ...others];
}

function isResize({ type }: PodCondition): boolean {
  return RESIZE_CONDITIONS.some((each) => each === type);
}
