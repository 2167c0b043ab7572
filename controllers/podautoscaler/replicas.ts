import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { podCondition } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import type { AutoscalerSettings } from "../autoscaler-settings.ts";
import { MetricError } from "./metric-error.ts";
import type { MetricsByPod, PodMetric } from "./pod-metrics.ts";
import { requestsOf } from "./requests.ts";

/** How far usage may be from the target before anything is scaled, as shares of the target. */
export type Tolerances = { readonly up: number; readonly down: number };

/** The input of a proposal. */
export interface Question {
  /** The pods of the workload, in any state. */
  readonly pods: readonly Pod[];
  readonly metrics: MetricsByPod;
  readonly resource: string;
  /** "" for whole pods. */
  readonly container: string;
  readonly currentReplicas: number;
  readonly tolerances: Tolerances;
  readonly now_ms: number;
  readonly settings: Pick<
    AutoscalerSettings,
    "cpuInitializationPeriod_ms" | "initialReadinessDelay_ms"
  >;
}

/** How many replicas there should be by one metric, and the measured value. */
export interface Proposal {
  readonly replicas: number;
  /** The average over the pods, in thousandths. */
  readonly average_milli: number;
  /** Target in percent of the requests. */
  readonly utilization?: number;
}

const NO_PODS = "no pods returned by selector while calculating replica count";

interface Usage {
  readonly ratio: number;
  readonly average_milli: number;
  readonly utilization?: number;
}

/** Proposes by use in percent of the pods' requests. Throws `MetricError`. */
export function proposeByUtilization(question: Question, target: number): Proposal {
  const groups = groupsOf(question);
  const requests = requestsOf(question.pods, question.resource, question.container);
  const usageOf = (metrics: MetricsByPod): Usage => utilizationOf(metrics, requests, target);
  // A pod without metrics counts with its whole request, or the target if that is more.
  const fallback = BigInt(Math.max(100, target));
  const whole = (name: string) => Number((BigInt(requests.get(name) ?? 0) * fallback) / 100n);
  return propose(question, groups, usageOf, whole);
}

/** Proposes by average use, in thousandths. Throws `MetricError`. */
export function proposeByAverage(question: Question, target_milli: number): Proposal {
  const usageOf = (metrics: MetricsByPod): Usage => {
    const average_milli = Math.trunc(sumOf(metrics.values()) / metrics.size);
    return { ratio: average_milli / target_milli, average_milli };
  };
  return propose(question, groupsOf(question), usageOf, () => target_milli);
}

/**
 * Proposes for a value of the whole workload that is `ratio` of its target. Throws `MetricError`.
 */
export function proposeByRatio(
  { pods, currentReplicas, tolerances }: Pick<Question, "pods" | "currentReplicas" | "tolerances">,
  ratio: number,
): number {
  if (isWithin(tolerances, ratio)) return currentReplicas;
  if (pods.length === 0) throw new MetricError(`unable to calculate ready pods: ${NO_PODS}`);
  const ready = pods.filter(
    (pod) => pod.status?.phase === "Running" && podCondition(pod, "Ready")?.status === "True",
  );
  return Math.min(INT32_MAX, Math.ceil(ratio * ready.length));
}

/**
 * Proposes so that each pod's part of an amount is the target; both in thousandths. The pods that
 * there are share it, not those that are wanted (upstream).
 */
export function proposePerPod(
  milli: number,
  target_milli: number,
  statusReplicas: number,
  tolerances: Tolerances,
): number {
  if (isWithin(tolerances, milli / (target_milli * statusReplicas))) return statusReplicas;
  return Math.min(INT32_MAX, Math.ceil(milli / target_milli));
}

function sumOf(metrics: Iterable<PodMetric>): number {
  let sum = 0;
  for (const { milli } of metrics) sum += milli;
  return sum;
}

function utilizationOf(
  metrics: MetricsByPod,
  requests: ReadonlyMap<string, number>,
  target: number,
): Usage {
  const known = [...metrics].filter(([name]) => requests.has(name));
  const used = sumOf(known.map(([, metric]) => metric));
  const requested = known.reduce((sum, [name]) => sum + (requests.get(name) ?? 0), 0);
  if (requested === 0) throw new MetricError("no metrics returned matched known pods");
  // Exact: the product of memory in thousandths of bytes does not fit into a double.
  const exact = Number((BigInt(used) * 100n) / BigInt(requested));
  // The status keeps an int32. A request of one byte is allowed.
  const utilization = Math.min(exact, INT32_MAX);
  const average_milli = Math.trunc(used / known.length);
  return { ratio: utilization / target, utilization, average_milli };
}

/**
 * Scales by the ratio of the ready pods' usage to the target. Where pods are unready or were not
 * measured the change is damped: such a pod counts as unused when scaling up, and one that was not
 * measured as used (`whole`) when scaling down. If that reverses the direction, nothing changes.
 */
function propose(
  { currentReplicas, tolerances }: Question,
  { ready, readyCount, unready, missing }: Groups,
  usageOf: (metrics: MetricsByPod) => Usage,
  whole: (name: string) => number,
): Proposal {
  const usage = usageOf(ready);
  const { ratio } = usage;
  const proposed = (replicas: number): Proposal => ({
    replicas,
    average_milli: usage.average_milli,
    ...(usage.utilization === undefined ? {} : { utilization: usage.utilization }),
  });
  const withUnready = unready.length > 0 && ratio > 1;
  if (!withUnready && missing.length === 0) {
    if (isWithin(tolerances, ratio)) return proposed(currentReplicas);
    return proposed(Math.ceil(ratio * readyCount));
  }
  const metrics = new Map(ready);
  const assume = (name: string, milli: number) =>
    metrics.set(name, { milli, time_ms: 0, window_ms: 0 });
  for (const name of missing) {
    if (ratio < 1) assume(name, whole(name));
    else if (ratio > 1) assume(name, 0);
  }
  if (withUnready) for (const name of unready) assume(name, 0);
  const damped = usageOf(metrics).ratio;
  const turns = (ratio < 1 && damped > 1) || (ratio > 1 && damped < 1);
  if (isWithin(tolerances, damped) || turns) return proposed(currentReplicas);
  const replicas = Math.ceil(damped * metrics.size);
  const against =
    (damped < 1 && replicas > currentReplicas) || (damped > 1 && replicas < currentReplicas);
  return proposed(against ? currentReplicas : replicas);
}

function isWithin({ up, down }: Tolerances, ratio: number): boolean {
  return 1 - down <= ratio && ratio <= 1 + up;
}

interface Groups {
  readonly ready: MetricsByPod;
  /** Number of ready pods in the list; `ready` may also have metrics of pods that have left it. */
  readonly readyCount: number;
  readonly unready: readonly string[];
  /** Pods that were not measured. */
  readonly missing: readonly string[];
}

/** Sorts the pods; those that are ending or failed count for nothing. Throws `MetricError`. */
function groupsOf(question: Question): Groups {
  const { pods, metrics } = question;
  if (pods.length === 0) throw new MetricError(NO_PODS);
  const ready = new Map(metrics);
  const [unready, missing]: [string[], string[]] = [[], []];
  let readyCount = 0;
  for (const pod of pods) {
    const { name = "", deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    const phase = pod.status?.phase;
    if (deletionTimestamp !== undefined || phase === "Failed") ready.delete(name);
    else if (phase === "Pending" || (metric && isUnready(question, pod, metric))) {
      ready.delete(name);
      unready.push(name);
    } else if (metric === undefined) missing.push(name);
    else readyCount++;
  }
  if (ready.size > 0) return { ready, readyCount, unready, missing };
  const why = "did not receive metrics for targeted pods (pods might be unready)";
  throw new MetricError(why);
}

/**
 * Whether a pod counts as unready, for processor time alone: its use during the start does not show
 * its load.
 */
function isUnready(
  { resource, settings, now_ms }: Question,
  pod: Pod,
  { time_ms, window_ms }: PodMetric,
): boolean {
  if (resource !== "cpu") return false;
  const condition = podCondition(pod, "Ready");
  const start_ms = timeOf(pod.status?.startTime);
  if (condition === undefined || start_ms === undefined) return true;
  const since_ms = timeOf(condition.lastTransitionTime) ?? 0;
  const isFalse = condition.status === "False";
  if (start_ms + settings.cpuInitializationPeriod_ms > now_ms) {
    return isFalse || time_ms < since_ms + window_ms;
  }
  return isFalse && start_ms + settings.initialReadinessDelay_ms > since_ms;
}
