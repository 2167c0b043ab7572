import type { NetworkList } from "@raft2kube/cni/lib/types.ts";
import type { PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import type { ProcessIdentity } from "../process-identity.ts";
import type { StateKind } from "../state-file.ts";

/** A sandbox as it is kept on disk. */
export interface SandboxRecord {
  id: string;
  config: PodSandboxConfig;
  runtimeHandler: string;
  createdAt_ms: number;
  state: "ready" | "notready";
  /** The first process, which holds the sandbox's namespaces. Absent until it runs. */
  pause?: ProcessIdentity;
  /** The folder in which they are pinned, where there is no first process. */
  pins?: string;
  /** The pinned network namespace; absent with the host's network. */
  netns?: string;
  /** The network it was attached to, as it was then. */
  network?: NetworkList;
  /** Addresses from CNI, the primary one first. */
  ips: string[];
  cgroup: string;
}

export const SANDBOX_STATE: StateKind = { schema: "r2k-sandbox", version: 1 };
