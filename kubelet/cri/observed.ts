import type { ContainerUser } from "@raft2kube/api/gen/core/v1.ts";

/** State of a container as the runtime reports it: the input of the plan. */
export interface ObservedContainer {
  id: string;
  name: string;
  sandboxId: string;
  /** The attempt it was made as: the number of restarts before it. */
  attempt: number;
  state: "created" | "running" | "exited" | "unknown";
  /** Milliseconds since 1970; 0: not yet. */
  createdAt_ms: number;
  startedAt_ms: number;
  finishedAt_ms: number;
  exitCode: number;
  /** The runtime's: `Completed`, `Error`, `OOMKilled`. */
  reason: string;
  message: string;
  image: string;
  imageRef: string;
  /** `containerHash` of the spec that it was created from. */
  hash: string;
  logPath: string;
  annotations: Record<string, string>;
  /** The container's limits; undefined when the runtime does not report them. */
  limits?: ObservedLimits;
  /** The user of its first process; undefined when the runtime does not report it. */
  user?: ContainerUser;
  /** Paths in the container of mounts that are read-only with all beneath them. */
  recursiveReadOnly: readonly string[];
}

/** Limits of a container in CRI's form; 0: not set. */
export interface ObservedLimits {
  cpuShares: number;
  cpuQuota: number;
  cpuPeriod: number;
  memoryLimitInBytes: number;
}

export interface ObservedSandbox {
  id: string;
  attempt: number;
  ready: boolean;
  hostNetwork: boolean;
  ips: string[];
  createdAt_ms: number;
}

export interface ObservedPod {
  uid: string;
  name: string;
  namespace: string;
  /** Newest first. */
  sandboxes: ObservedSandbox[];
  /** Newest first. */
  containers: ObservedContainer[];
}

/** The newest container of a name, in one sandbox or in any. */
export function latest(
  observed: ObservedPod,
  name: string,
  sandboxId?: string,
): ObservedContainer | undefined {
  return observed.containers.find(
    (one) => one.name === name && (sandboxId === undefined || one.sandboxId === sandboxId),
  );
}

/** Whether anything of the pod may still run. */
export function anyRunning(observed: ObservedPod): boolean {
  return observed.sandboxes.some((sandbox) => sandbox.ready) || observed.containers.some(mayRun);
}

/** A container in an unknown state counts as one that runs: it must be stopped to be sure. */
export function mayRun(container: ObservedContainer): boolean {
  return container.state === "running" || container.state === "unknown";
}
