import type { ContainerConfig, LinuxContainerResources } from "@raft2kube/proto/gen/cri.ts";
import type { BlockIo } from "../oci/devices.ts";
import type { OciMount, OciRlimit, OciUser } from "../oci/spec.ts";
import type { ProcessIdentity } from "../process-identity.ts";
import type { StateKind } from "../state-file.ts";

/** How a container ended. */
export interface ContainerExit {
  exitCode: number;
  finishedAt_ms: number;
  /** `Completed`, `Error`, `OOMKilled`, `StartError`, `Unknown`: what kubelets show. */
  reason: string;
  message: string;
}

/**
 * State of a container. `starting` is on disk while conmon may be creating it: after a crash, its
 * outcome must be determined.
 */
export type ContainerPhase =
  | { state: "created" }
  | { state: "starting" }
  | { state: "running"; startedAt_ms: number; process: ProcessIdentity }
  | { state: "exited"; startedAt_ms: number; exit: ContainerExit };

/** Settings of containers made by hand, for which CRI has no words. */
export interface OciExtras {
  rlimits?: OciRlimit[];
  /** Processes at most. */
  pids?: number;
  blockIo?: BlockIo;
  /** Annotations of config.json, on which OCI runtimes act. */
  annotations?: Readonly<Record<string, string>>;
  /** `user[:group]`, and further groups, in place of the image's: ids, or names of the image. */
  user?: string;
  groups?: string[];
  /** More mounts: memory, the init's program. Those of the same place replace others. */
  mounts?: OciMount[];
}

/** A container as it is kept on disk. */
export interface ContainerRecord {
  id: string;
  sandboxId: string;
  config: ContainerConfig;
  /** The image: its id, a name with digest, and the diff ids of its layers. */
  image: { id: string; ref: string; diffIds: string[] };
  createdAt_ms: number;
  phase: ContainerPhase;
  /** Absolute; undefined when the sandbox has no log directory. */
  logPath?: string;
  cgroup: string;
  user: OciUser;
  /** Signal by name or number, from CRI or the image. */
  stopSignal: string;
  resources?: LinuxContainerResources;
  extras?: OciExtras;
}

export const CONTAINER_STATE: StateKind = { schema: "r2k-container", version: 1 };
