import type {
  Container,
  ContainerState,
  ContainerStatus,
  VolumeMountStatus,
} from "@raft2kube/api/gen/core/v1.ts";
import { absolute } from "../containers/mounts.ts";
import type { ObservedContainer } from "../cri/observed.ts";

/** Why a container does not run, set by the worker: `CrashLoopBackOff`, `ErrImagePull`. */
export type WaitingReason = { reason: string; message: string };

export interface ContainerFacts {
  container: Container;
  /** Containers of this name, newest first. */
  observed: ObservedContainer[];
  /** Status in the API; kept where the runtime no longer has an ended container. */
  previous: ContainerStatus | undefined;
  waiting: WaitingReason | undefined;
  /** The default waiting reason. */
  defaultWaiting: WaitingReason;
  ready: boolean;
  started: boolean;
  /** Whether it is an init container, which is ready when it has succeeded. */
  isStep: boolean;
  /** The scheme of containerID: the runtime's name. */
  runtimeName: string;
  terminationMessage(observed: ObservedContainer): string | undefined;
  /** The container's part of what the pod's messages may have. */
  messageBytes_max: number;
}

/** RFC 3339 in whole seconds, as all times of the API. */
export function apiTime(time_ms: number): string {
  return `${new Date(time_ms).toISOString().slice(0, 19)}Z`;
}

/** Returns one entry of containerStatuses. */
export function containerStatus(facts: ContainerFacts): ContainerStatus {
  const { container, observed, previous, runtimeName } = facts;
  const [current, before] = observed;
  if (!current) return forgotten(facts);
  const base = {
    name: container.name,
    image: current.image || (container.image ?? ""),
    imageID: current.imageRef,
    containerID: `${runtimeName}://${current.id}`,
    restartCount: current.attempt,
    ready: isReady(facts, current),
    started: facts.started && current.state === "running",
    ...volumeMounts(container, current),
    ...(current.user && { user: current.user }),
  };
  const last = (one: ObservedContainer | undefined) =>
    one?.state === "exited" ? terminated(one, facts) : undefined;
  switch (current.state) {
    case "running":
      return {
        ...base,
        state: { running: { startedAt: apiTime(current.startedAt_ms) } },
        lastState: last(before) ?? previousEnd(previous, current) ?? {},
      };
    case "exited":
      if (facts.waiting) {
        const state = { waiting: { ...facts.waiting } };
        return { ...base, state, lastState: terminated(current, facts) };
      }
      return { ...base, state: terminated(current, facts), lastState: last(before) ?? {} };
    case "created":
    case "unknown":
      return {
        ...base,
        state: { waiting: { ...(facts.waiting ?? facts.defaultWaiting) } },
        lastState: last(before) ?? {},
      };
  }
}

/** Returns the mounts as the runtime made them: whether they are recursively read-only. */
function volumeMounts(
  { volumeMounts: asked = [] }: Container,
  { recursiveReadOnly }: ObservedContainer,
): { volumeMounts?: VolumeMountStatus[] } {
  if (asked.length === 0) return {};
  const enabled = new Set(recursiveReadOnly);
  return {
    volumeMounts: asked.map(({ name, mountPath, readOnly = false }) => {
      if (!readOnly) return { name, mountPath };
      const recursive = enabled.has(absolute(mountPath)) ? "Enabled" : "Disabled";
      return { name, mountPath, readOnly, recursiveReadOnly: recursive };
    }),
  };
}

function isReady({ ready, isStep }: ContainerFacts, current: ObservedContainer): boolean {
  if (isStep) return current.state === "exited" && current.exitCode === 0;
  return ready && current.state === "running";
}

/** Returns the status of a container that the runtime does not have: never started, or lost. */
function forgotten({ container, previous, waiting, defaultWaiting }: ContainerFacts) {
  const base = { name: container.name, ready: false, started: false };
  if (previous?.state?.terminated) return { ...previous, ready: false, started: false };
  if (previous?.state?.running) {
    const { startedAt } = previous.state.running;
    const lost = {
      exitCode: 137,
      reason: "ContainerStatusUnknown",
      message: "The container could not be located when the pod was terminated",
      ...(previous.containerID ? { containerID: previous.containerID } : {}),
      ...(startedAt ? { startedAt } : {}),
    };
    return { ...previous, ...base, state: { terminated: lost } };
  }
  return {
    ...base,
    image: container.image ?? "",
    imageID: "",
    restartCount: previous?.restartCount ?? 0,
    state: { waiting: { ...(waiting ?? defaultWaiting) } },
    lastState: previous?.lastState ?? {},
  };
}

/**
 * Returns the termination in the API, current or last, of a container that the runtime no longer
 * has.
 */
function previousEnd(
  previous: ContainerStatus | undefined,
  current: ObservedContainer,
): ContainerState | undefined {
  if (!previous?.containerID?.endsWith(current.id)) {
    return previous?.state?.terminated ? { terminated: previous.state.terminated } : undefined;
  }
  return previous.lastState;
}

function terminated(observed: ObservedContainer, facts: ContainerFacts): ContainerState {
  const messages = [observed.message, facts.terminationMessage(observed)];
  const whole = Buffer.from(messages.filter(Boolean).join(": "));
  const message = whole.subarray(0, facts.messageBytes_max).toString();
  return {
    terminated: {
      exitCode: observed.exitCode,
      reason: observed.reason || (observed.exitCode === 0 ? "Completed" : "Error"),
      ...(message ? { message } : {}),
      startedAt: apiTime(observed.startedAt_ms || observed.createdAt_ms),
      finishedAt: apiTime(observed.finishedAt_ms),
      containerID: `${facts.runtimeName}://${observed.id}`,
    },
  };
}
