import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { ContainerStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { podCondition } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { INT32_MAX } from "@raft2kube/std/limits.ts";

/** Keeps a pod until its end is counted in the status of its job. */
export const TRACKING = "batch.kubernetes.io/job-tracking";
export const COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index";
export const FAILURES = "batch.kubernetes.io/job-index-failure-count";
export const IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count";

/** Whether the pod's end is not counted yet, or not for good. */
export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(TRACKING) === true;
}

/** The pod with or without the finalizer that tracks it; as it is when it is so already. */
export function withTracking(pod: Pod, tracked: boolean): Pod {
  if (isTracked(pod) === tracked) return pod;
  const others = (pod.metadata.finalizers ?? []).filter((each) => each !== TRACKING);
  const finalizers = tracked ? [...others, TRACKING] : others;
  return { ...pod, metadata: { ...pod.metadata, finalizers } };
}

export const isIndexed = ({ spec }: Job): boolean => spec.completionMode === "Indexed";

/** Whether a pod that is being deleted is replaced only when it has ended. */
export function replacesFailedOnly({ spec }: Job): boolean {
  return spec.podReplacementPolicy === "Failed" || spec.podFailurePolicy !== undefined;
}

/** Whether it failed, or counts as failed because it is being deleted and may never end. */
export function isPodFailed(pod: Pod, job: Job): boolean {
  const phase = pod.status?.phase;
  if (phase === "Failed") return true;
  if (replacesFailedOnly(job)) return false;
  return pod.metadata.deletionTimestamp !== undefined && phase !== "Succeeded";
}

/**
 * Completion index of a pod of an Indexed job; undefined without one, or if the job does not have
 * it.
 */
export function indexOf(pod: Pod, { spec }: Job): number | undefined {
  const index = countOf(pod, COMPLETION_INDEX);
  return index !== undefined && index < (spec.completions ?? 0) ? index : undefined;
}

/** The failures before this pod at its index that count against the limit. */
export const failuresOf = (pod: Pod): number => countOf(pod, FAILURES) ?? 0;

/** The same, with those that a rule ignores. */
export function allFailuresOf(pod: Pod): number {
  return failuresOf(pod) + (countOf(pod, IGNORED_FAILURES) ?? 0);
}

function countOf({ metadata }: Pod, annotation: string): number | undefined {
  const text = metadata.annotations?.[annotation] ?? "";
  const value = /^\d+$/.test(text) ? Number(text) : undefined;
  return value === undefined || value > INT32_MAX ? undefined : value;
}

/**
 * When a pod ended: the last of its containers, or when it was no longer ready, or was deleted, or
 * at worst was created.
 */
export function finishedAt_ms(pod: Pod): number {
  const { metadata, status } = pod;
  const notReady = podCondition(pod, "Ready");
  const notReady_ms =
    notReady?.status === "False" ? timeOf(notReady.lastTransitionTime) : undefined;
  const deleted_ms = timeOf(metadata.deletionTimestamp);
  const grace_ms = (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  return (
    lastContainerEnd_ms(pod) ??
    notReady_ms ??
    (deleted_ms === undefined ? undefined : deleted_ms - grace_ms) ??
    timeOf(metadata.creationTimestamp) ??
    timeOf(status?.startTime) ??
    0
  );
}

/** Time at which the last container ended; undefined unless all containers and sidecars have. */
function lastContainerEnd_ms({ spec, status }: Pod): number | undefined {
  const sidecars = new Set(
    spec.initContainers?.filter((each) => each.restartPolicy === "Always").map(({ name }) => name),
  );
  const ended: ContainerStatus[] = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses?.filter(({ name }) => sidecars.has(name)) ?? []),
  ];
  const ends_ms = ended.map(({ state }) => timeOf(state?.terminated?.finishedAt));
  if (ends_ms.length === 0 || ends_ms.includes(undefined)) return undefined;
  return Math.max(...ends_ms.map((each) => each ?? 0));
}
