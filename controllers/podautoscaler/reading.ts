import type { MetricStatus } from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import type { AutoscalerSettings } from "../autoscaler-settings.ts";
import type { Question } from "./replicas.ts";

/** The answer of the metrics API for the pods of one workload, or why there is none. */
export type Answered = { readonly items: readonly PodMetrics[] } | { readonly error: string };

/** All that a proposal needs but the metric's own words. */
export type Measured = Pick<Question, "pods" | "currentReplicas" | "now_ms"> & {
  /** The pods that the target counts in its status, of which an amount is an average. */
  readonly statusReplicas: number;
  readonly answered: Answered;
  readonly settings: AutoscalerSettings;
};

/** The result of one metric of an autoscaler. */
export type Reading =
  | { readonly replicas: number; readonly name: string; readonly status: MetricStatus }
  /** `message` without, `whole` with the prefix that distinguishes several metrics. */
  | { readonly failed: string; readonly message: string; readonly whole: string };
