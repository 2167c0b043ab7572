import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { CgroupMode } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

/** Configuration of a kubelet; paths are absolute. */
export interface KubeletOptions {
  nodeName: string;
  /** The node's own addresses, the primary first: InternalIP of the Node, hostIP of pods. */
  nodeAddresses: string[];
  /** The Hostname address and label; the node's name by default. */
  hostname?: string;
  /** Client as `system:node:<nodeName>`. Without it only static pods run. */
  client?: KubeClient;
  /** `unix:///run/...` of the CRI runtime, and of its images when that is another one. */
  runtimeEndpoint: string;
  imageEndpoint?: string;
  /**
   * Pods, their volumes and checkpoints: `/var/lib/kubelet` upstream. Below it are the sockets of
   * plugins: `device-plugins/`, `plugins_registry/`, `pod-resources/`.
   */
  rootDir: string;
  /** `/var/log/pods` upstream. */
  podLogsDir: string;
  /** `/var/log/containers` upstream; links for log collectors. Left out: none are made. */
  containerLogsDir?: string;
  staticPodDir?: string;
  /** The parent of all pods' cgroups, absolute in every hierarchy: `/r2k/<cluster>`. */
  cgroupRoot: string;
  /**
   * Cgroups, by default the machine's; with `none` pods have no limits, and the Node's label says
   * so.
   */
  cgroups?: CgroupMode;
  clusterDns: string[];
  clusterDomain: string;
  /** The file whose name servers pods with the node's DNS get. */
  resolvConf?: string;
  maxPods?: number;
  /**
   * The node's user and group ids for pods with `hostUsers: false`: from the id `first` on, a
   * multiple of 65,536, so many for each of `pods`. By default from 65,536 on for `maxPods`.
   */
  podUsers?: { first: number; pods: number };
  /** Processes and threads of one pod; -1 lifts the limit. */
  podPidsLimit?: number;
  /** Whether containers whose pod names no seccomp profile get the runtime's; by default none. */
  seccompDefault?: boolean;
  /** Duration of the node's Lease, its heartbeat, which is renewed four times within it. */
  nodeLease_s?: number;
  nodeLabels?: Record<string, string>;
  /** Taints the node is registered with. */
  registerWithTaints?: { key: string; value?: string; effect: string }[];
  /** Kept back from pods, as quantities: `{ cpu: "100m", memory: "256Mi" }`. */
  reserved?: Record<string, string>;
  evictionHard?: EvictionThresholds;
  imageGc?: { highPercent: number; lowPercent: number };
  server?: KubeletServerOptions;
  /** Where `/healthz` is served in plain HTTP; upstream's is port 10248 of loopback. */
  healthz?: { host: string; port: number };
  /**
   * Whether an NFS server takes every node for root: a pod's `nfs` volume, which no administrator
   * has seen, is then refused.
   */
  refuseOwnNfs?: boolean;
  /**
   * Called with a pod and its IPv4 address before each of its containers is started, unless it has
   * the node's network; `hasRun`: one of the address' containers was started before. Rejects while
   * the node cannot enforce the pod's network policies.
   */
  admitNetwork?: (pod: Pod, address: string, hasRun: boolean) => Promise<void>;
  /** Called when nothing of a pod runs, or will. */
  releaseNetwork?: (pod: Pod) => void;
  /** Called when the Node has its pod range; writes the CNI configuration. */
  onPodCidrs?: (podCidrs: string[]) => Promise<void>;
  /** Traces the steps of pods; its creator closes it. Default not. */
  tracer?: Tracer | undefined;
  clock?: Clock;
}

/** The kubelet's own HTTPS API. PEM texts. */
export interface KubeletServerOptions {
  listen: { host: string; port: number };
  cert: string;
  key: string;
  /** Clients with a certificate of this CA are authenticated by its subject. */
  clientCa: string;
}

/** Pods are evicted when less than this is left: bytes, or a share of the whole (0.1 is 10 %). */
export interface EvictionThresholds {
  memoryAvailable_bytes?: number;
  nodefsAvailable?: number;
  nodefsInodesFree?: number;
  imagefsAvailable?: number;
  pidAvailable?: number;
}

/** Upstream's defaults, and a share of the processes, which upstream does not watch by default. */
export const EVICTION_HARD: Required<EvictionThresholds> = {
  memoryAvailable_bytes: 100 * 2 ** 20,
  nodefsAvailable: 0.1,
  nodefsInodesFree: 0.05,
  imagefsAvailable: 0.15,
  pidAvailable: 0.1,
};
