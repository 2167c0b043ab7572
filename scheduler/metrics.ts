import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { addMetric, exponentialBounds, MetricArea } from "@raft2kube/observe/families.ts";
import { metricsRegistry, type Registry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";
import { traced } from "@raft2kube/observe/trace/tracer.ts";
import { type Clock, stopwatch } from "@raft2kube/std/clock.ts";
import { reported } from "@raft2kube/std/wait.ts";
import type { PointTimer } from "./framework/framework.ts";
import type { Incoming, SchedulingQueue } from "./queue.ts";
import { type Amounts, podRequests } from "./resources.ts";

/** The outcome of an attempt to schedule a pod. */
export type AttemptResult = "scheduled" | "unschedulable" | "error";

/** The scheduler's metrics, under upstream's names. */
export class SchedulerMetrics extends MetricArea {
  /** Requests and limits of pods, which upstream serves at a path of their own. */
  readonly resources: Registry = metricsRegistry();
  readonly #clock: Clock;
  readonly #points = this.histogram(
    "scheduler_framework_extension_point_duration_seconds",
    "How long all plugins of an extension point took.",
    exponentialBounds(1e-4, 2, 12),
  );
  readonly #attempts = this.counter("scheduler_schedule_attempts_total", "Attempts, by result.");
  readonly #durations = this.histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "How long an attempt took, binding included.",
    exponentialBounds(1e-3, 2, 15),
  );
  readonly #podAttempts = this.histogram(
    "scheduler_pod_scheduling_attempts",
    "Attempts until a pod was scheduled.",
    exponentialBounds(1, 2, 5),
  ).of();
  readonly #preemptions = this.counter("scheduler_preemption_attempts_total", "Attempts.").of();
  readonly #victims = this.histogram(
    "scheduler_preemption_victims",
    "Pods that a preemption selected.",
    exponentialBounds(1, 2, 7),
  ).of();
  readonly #incoming = this.counter("scheduler_queue_incoming_pods_total", "Pods, by cause.");

  #sizes: () => Readonly<Record<string, number>> = () => ({});
  #pods: () => Iterable<Pod> = () => [];

  constructor(clock: Clock) {
    super(metricsRegistry());
    this.#clock = clock;
    addProcessMetrics(this.registry);
    const pending = { name: "scheduler_pending_pods", help: "Pods that wait, by queue." };
    addMetric(this.registry, { ...pending, type: "gauge" }, () => {
      const gated = [...this.#pods()].filter(({ spec }) => spec.schedulingGates?.length).length;
      const sizes = Object.entries({ ...this.#sizes(), gated });
      return sizes.map(([queue, value]) => ({ labels: { queue }, value }));
    });
    for (const [name, help, which] of POD_RESOURCES) {
      const live = () => [...this.#pods()].filter((pod) => !isPodTerminal(pod));
      const samples = () => live().flatMap((pod) => podSamples(pod, podRequests(pod, which)));
      addMetric(this.resources, { name, help, type: "gauge" }, samples);
    }
  }

  /** Measures the extension points of a profile, each a part of its pod's trace. */
  timer(profile: string): PointTimer {
    return (extension_point, run, statusOf = () => "Success") => {
      const took_s = stopwatch(this.#clock);
      const ended = (status: string) =>
        this.#points.of({ extension_point, profile, status }).observe(took_s());
      const succeeded = (value: Awaited<ReturnType<typeof run>>) => ended(statusOf(value));
      const part = () => traced(extension_point, run);
      return reported(part, succeeded, () => ended("Error"));
    };
  }

  /** Starts an attempt; the function that is returned ends it, the pod's `attempts`-th. */
  attempt(profile: string, attempts: number): (result: AttemptResult) => void {
    const took_s = stopwatch(this.#clock);
    return (result) => {
      this.#attempts.of({ profile, result }).add();
      this.#durations.of({ profile, result }).observe(took_s());
      if (result === "scheduled") this.#podAttempts.observe(attempts);
    };
  }

  readonly incoming: Incoming = (event, queue) => this.#incoming.of({ event, queue }).add();

  readonly preempted = (victims: number | undefined): void => {
    this.#preemptions.add();
    if (victims !== undefined) this.#victims.observe(victims);
  };

  /** Shows the queue's sizes, and what the pods of the informer request. */
  follow(queue: SchedulingQueue, pods: () => Iterable<Pod>): void {
    this.#sizes = () => queue.sizes();
    this.#pods = pods;
  }
}

const POD_RESOURCES = [
  ["kube_pod_resource_request", "What pods request, as the scheduler counts it.", "requests"],
  ["kube_pod_resource_limit", "Limits of pods, counted as requests are.", "limits"],
] as const;

function podSamples({ metadata, spec }: Pod, amounts: Amounts) {
  const labels = {
    namespace: metadata.namespace ?? "",
    pod: metadata.name ?? "",
    node: spec.nodeName ?? "",
    scheduler: spec.schedulerName ?? "",
    priority: String(spec.priority ?? ""),
  };
  return [...amounts]
    .filter(([, amount]) => amount > 0)
    .map(([resource, amount]) => ({
      labels: { ...labels, resource, unit: unitOf(resource) },
      value: resource === "cpu" ? amount / 1_000 : amount,
    }));
}

function unitOf(resource: string): string {
  if (resource === "cpu") return "cores";
  if (/^(memory|storage|ephemeral-storage|hugepages-)/.test(resource)) return "bytes";
  return resource.startsWith("attachable-volumes-") ? "integer" : "";
}
