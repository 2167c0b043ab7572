import type { Container, ContainerStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isRestartableInit } from "../pods/pod-identity.ts";
import { neverRestarts, restartsAfter } from "../pods/restart-policy.ts";

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed";

export interface PhaseFacts {
  pod: Pod;
  initStatuses: ContainerStatus[];
  statuses: ContainerStatus[];
  /** Names of containers that are yet to be started again, as all of the pod's are. */
  past?: ReadonlySet<string>;
  /** The pod is stopped: nothing restarts, regardless of the policy. */
  ended: boolean;
}

/** Returns the pod's phase, derived from its containers alone (upstream's getPhase). Pure. */
export function podPhase(facts: PhaseFacts): PodPhase {
  const { pod, initStatuses, statuses, past = NONE, ended } = facts;
  const init = initState(pod, initStatuses, past);
  if (init === "failed" || (init === "retried" && ended)) return "Failed";
  const count = countOf(pod, statuses, past);
  const begun = count.running > 0 || count.stopped > 0;
  if (init !== "done" && !begun) return ended ? "Failed" : "Pending";
  if (count.waiting > 0) return ended ? endedPhase(count) : "Pending";
  if (count.running > 0) return "Running";
  if (count.stopped === 0) return ended ? "Failed" : "Pending";
  if (ended) return endedPhase(count);
  if (count.restarted > 0) return "Running";
  return count.stopped === count.succeeded ? "Succeeded" : "Failed";
}

/** `stopped` are those that have ended, of which some have `succeeded` and some are `restarted`. */
type Count = Record<"running" | "waiting" | "stopped" | "succeeded" | "restarted", number>;

function endedPhase(count: Count): PodPhase {
  return count.waiting === 0 && count.stopped === count.succeeded ? "Succeeded" : "Failed";
}

const NONE: ReadonlySet<string> = new Set();

function countOf(pod: Pod, statuses: ContainerStatus[], past: ReadonlySet<string>): Count {
  const count: Count = { running: 0, waiting: 0, stopped: 0, succeeded: 0, restarted: 0 };
  for (const container of pod.spec.containers ?? []) {
    const status = statuses.find((one) => one.name === container.name);
    const { state } = status ?? {};
    if (past.has(container.name)) {
      count.stopped++;
      count.restarted++;
    } else if (state?.running) count.running++;
    else if (state?.terminated) {
      count.stopped++;
      if (state.terminated.exitCode === 0) count.succeeded++;
      if (restartsAfter(pod, container, state.terminated.exitCode)) count.restarted++;
    } else if (status?.lastState?.terminated) {
      count.stopped++;
      const { exitCode } = status.lastState.terminated;
      const again = !neverRestarts(pod, container) || restartsAfter(pod, container, exitCode);
      if (again) count.restarted++;
    } else count.waiting++;
  }
  return count;
}

type InitState = "done" | "pending" | "failed" | "retried";

function initState(pod: Pod, statuses: ContainerStatus[], past: ReadonlySet<string>): InitState {
  const failed = (container: Container, exitCode: number) =>
    restartsAfter(pod, container, exitCode) ? "retried" : "failed";
  for (const container of pod.spec.initContainers ?? []) {
    if (past.has(container.name)) return "pending";
    const status = statuses.find((one) => one.name === container.name);
    const { state, lastState } = status ?? {};
    if (isRestartableInit(container)) {
      if (state?.running && !status?.started) return "pending";
      if (!state?.running && !state?.terminated && !lastState?.terminated) return "pending";
    } else if (state?.terminated) {
      const { exitCode } = state.terminated;
      if (exitCode !== 0) return failed(container, exitCode);
    } else if (!state?.running && lastState?.terminated) {
      const { exitCode } = lastState.terminated;
      if (exitCode !== 0) return failed(container, exitCode);
    } else return "pending";
  }
  return "done";
}
