import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type Container,
  type ContainerFilter,
  ContainerState,
  type ContainerStatus,
} from "@raft2kube/proto/gen/cri.ts";
import type { Records } from "../ports.ts";
import { nanoseconds } from "../time.ts";
import type { ContainerPhase, ContainerRecord } from "./record.ts";
import { criSignal } from "./signals.ts";

/** Upstream's kubelet names the container's terminationMessagePath with it. */
const TERMINATION_PATH_ANNOTATION = "io.kubernetes.container.terminationMessagePath";

const STATES: Record<ContainerPhase["state"], ContainerState> = {
  created: ContainerState.CONTAINER_CREATED,
  starting: ContainerState.CONTAINER_CREATED,
  running: ContainerState.CONTAINER_RUNNING,
  exited: ContainerState.CONTAINER_EXITED,
};

/** Whether `labels` match a selector. */
export const matchesLabels = (
  labels: Record<string, string>,
  selector: Record<string, string> | undefined,
): boolean => Object.entries(selector ?? {}).every(([key, value]) => labels[key] === value);

/** Returns one entry of ListContainers. */
export function containerLine(record: ContainerRecord): Init<Container> {
  const { config } = record;
  return {
    id: record.id,
    podSandboxId: record.sandboxId,
    metadata: config.metadata,
    image: config.image,
    imageRef: record.image.id,
    imageId: record.image.id,
    state: STATES[record.phase.state],
    createdAt: nanoseconds(record.createdAt_ms),
    labels: config.labels,
    annotations: config.annotations,
  };
}

export function containerStatus(record: ContainerRecord): Init<ContainerStatus> {
  const { config, phase, user } = record;
  const exit = phase.state === "exited" ? phase.exit : undefined;
  const startedAt_ms = "startedAt_ms" in phase ? phase.startedAt_ms : 0;
  return {
    id: record.id,
    metadata: config.metadata,
    state: STATES[phase.state],
    createdAt: nanoseconds(record.createdAt_ms),
    startedAt: nanoseconds(startedAt_ms),
    finishedAt: nanoseconds(exit?.finishedAt_ms ?? 0),
    exitCode: exit?.exitCode ?? 0,
    reason: exit?.reason ?? "",
    message: exit?.message ?? "",
    image: config.image,
    imageRef: record.image.ref,
    imageId: record.image.id,
    labels: config.labels,
    annotations: config.annotations,
    mounts: config.mounts,
    logPath: record.logPath ?? "",
    resources: { linux: record.resources },
    user: { linux: { uid: user.uid, gid: user.gid, supplementalGroups: user.additionalGids } },
    stopSignal: criSignal(record.stopSignal),
  };
}

/**
 * Returns the statuses of a sandbox's containers. Of their mounts they have only that of the
 * termination message, where upstream's kubelet finds its file: with each event of one container
 * all are encoded again, and a pod may have 30,000 mounts.
 */
export function statusesOf({ containers }: Records, sandboxId: string): Init<ContainerStatus>[] {
  const own = containers.values().filter((record) => record.sandboxId === sandboxId);
  return own.map((record) => {
    const { mounts, annotations } = record.config;
    const path = annotations[TERMINATION_PATH_ANNOTATION];
    const message = mounts.find(({ containerPath }) => containerPath === path);
    return { ...containerStatus(record), mounts: message ? [message] : [] };
  });
}

/** Returns those of some containers that pass a filter, oldest first. */
export function selectContainers(
  records: readonly ContainerRecord[],
  filter: Partial<ContainerFilter> = {},
): ContainerRecord[] {
  return records
    .filter(
      (record) =>
        (!filter.id || record.id === filter.id) &&
        (!filter.podSandboxId || record.sandboxId === filter.podSandboxId) &&
        (!filter.state || STATES[record.phase.state] === filter.state.state) &&
        matchesLabels(record.config.labels, filter.labelSelector),
    )
    .sort((a, b) => a.createdAt_ms - b.createdAt_ms);
}
