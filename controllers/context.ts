import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Random } from "@raft2kube/std/random.ts";
import type { AutoscalerSettings } from "./autoscaler-settings.ts";
import type { ControllerMetrics } from "./metrics/metrics.ts";

/** The settings of a cluster's controllers. */
export interface ControllerSettings {
  /** The range that nodes' pod ranges are cut from, `10.244.0.0/16`. */
  clusterCidr: string;
  /** The length of a node's pod range. Default 24. */
  nodeCidrMask?: number;
  /** PEM of the certificates that workloads verify the apiserver with. */
  rootCa: string;
  /** The CA that signs kubelets' certificates; without it requests stay unsigned. PEM. */
  clusterSigning?: { cert: string; key: string };
  /** PEM of the key that signs tokens in Secrets; without it they get none. */
  serviceAccountKey?: string;
  /** How long a node may be silent before it counts as lost. Default 50 s. */
  nodeMonitorGracePeriod_ms?: number;
  /** How long a generated token of a ServiceAccount may be unused. Default a year. */
  legacyTokenUnused_ms?: number;
  /**
   * The pool `default` of addresses for Services of the type LoadBalancer, unless the ConfigMap of
   * pools has one: `10.201.0.1-10.201.0.254`. Without either there is none.
   */
  loadBalancerPool?: string;
  /** Periods and tolerance of HorizontalPodAutoscalers. Default upstream's. */
  autoscalers?: Partial<AutoscalerSettings>;
}

/** Requests of one client per second in the long run, and in a burst. */
export type RequestRate = { qps: number; burst: number };

/**
 * The dependencies of a controller. Reading goes through shared informers, writing through its own
 * client.
 */
export interface ControllerContext {
  readonly clock: Clock;
  readonly random: Random;
  /**
   * Informers shared by all controllers, under the identity of the controller manager, as
   * upstream's.
   */
  readonly informers: InformerSet;
  readonly settings: ControllerSettings;
  readonly metrics: ControllerMetrics;
  /** The controller manager's own, for the controller that ServiceAccounts' tokens come from. */
  readonly manager: KubeClient;
  /** The client of one controller, under its own service account. */
  client(account: string, rate?: RequestRate): KubeClient;
  /** The events of one controller, written by its own client. */
  recorder(account: string, component: string): EventRecorder;
}

/** Something that was started. */
export interface Running {
  /** Resolves when it does nothing more and holds nothing. */
  close(): Promise<void>;
}
