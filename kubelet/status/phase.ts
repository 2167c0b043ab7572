import type { ContainerStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isRestartableInit } from "../pods/pod-identity.ts";

export type PodPhase = "Pending" | "Running" | "Succeeded" | "Failed";

export interface PhaseFacts {
  pod: Pod;
  initStatuses: ContainerStatus[];
  statuses: ContainerStatus[];
  /** The pod is stopped: nothing restarts, regardless of the policy. */
  ended: boolean;
}

/** Returns the pod's phase, derived from its containers alone (upstream's getPhase). Pure. */
export function podPhase({ pod, initStatuses, statuses, ended }: PhaseFacts): PodPhase {
  const policy = pod.spec.restartPolicy ?? "Always";
  const init = initState(pod, initStatuses);
  if (init === "failed" && (policy === "Never" || ended)) return "Failed";
  const count = countOf(pod, statuses);
  const begun = count.running > 0 || count.stopped > 0;
  if (init !== "done" && !begun) return ended ? "Failed" : "Pending";
  if (count.waiting > 0) return ended ? endedPhase(count) : "Pending";
  if (count.running > 0) return "Running";
  if (count.stopped === 0) return ended ? "Failed" : "Pending";
  if (ended) return endedPhase(count);
  if (policy === "Always") return "Running";
  if (count.stopped === count.succeeded) return "Succeeded";
  return policy === "Never" ? "Failed" : "Running";
}

type Count = { running: number; waiting: number; stopped: number; succeeded: number };

function endedPhase(count: Count): PodPhase {
  return count.waiting === 0 && count.stopped === count.succeeded ? "Succeeded" : "Failed";
}

function countOf(pod: Pod, statuses: ContainerStatus[]): Count {
  const count: Count = { running: 0, waiting: 0, stopped: 0, succeeded: 0 };
  for (const { name } of pod.spec.containers ?? []) {
    const status = statuses.find((one) => one.name === name);
    const { state } = status ?? {};
    if (state?.running) count.running++;
    else if (state?.terminated) {
      count.stopped++;
      if (state.terminated.exitCode === 0) count.succeeded++;
    } else if (status?.lastState?.terminated) count.stopped++;
    else count.waiting++;
  }
  return count;
}

function initState(pod: Pod, statuses: ContainerStatus[]): "done" | "pending" | "failed" {
  for (const container of pod.spec.initContainers ?? []) {
    const status = statuses.find((one) => one.name === container.name);
    const { state, lastState } = status ?? {};
    if (isRestartableInit(container)) {
      if (state?.running && !status?.started) return "pending";
      if (!state?.running && !state?.terminated && !lastState?.terminated) return "pending";
    } else if (state?.terminated) {
      if (state.terminated.exitCode !== 0) return "failed";
    } else if (!state?.running && lastState?.terminated) {
      if (lastState.terminated.exitCode !== 0) return "failed";
    } else return "pending";
  }
  return "done";
}
