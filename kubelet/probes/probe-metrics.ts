import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { addMetric, DEFAULT_BOUNDS_S, MetricArea } from "@raft2kube/observe/families.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { ProbeOutcome } from "./run-probe.ts";

/** The probes of a node's pods, in all runs of a container, with upstream's names. */
export class ProbeMetrics extends MetricArea {
  readonly #total = this.counter(
    "prober_probe_total",
    "Cumulative number of a liveness, readiness or startup probe for a container by result.",
  );
  readonly #durations = this.histogram(
    "prober_probe_duration_seconds",
    "Duration in seconds for a probe response.",
    DEFAULT_BOUNDS_S,
  );

  constructor() {
    super(metricsRegistry());
    const start = { name: "process_start_time_seconds", help: "When the process began." };
    const value = performance.timeOrigin / 1_000;
    addMetric(this.registry, { ...start, type: "gauge" }, () => [{ labels: {}, value }]);
  }

  /** Counts an answer; a probe that could not be asked is none (as upstream). */
  add(pod: Pod, probe_type: string, container: string, { result }: ProbeOutcome, took_ms: number) {
    if (result === "error") return;
    const labels = { probe_type, container, pod: nameOf(pod), namespace: namespaceOf(pod) };
    const by = result === "failure" ? "failed" : "successful";
    this.#total.of({ ...labels, result: by, pod_uid: uidOf(pod) }).add();
    if (result !== "failure") this.#durations.of(labels).observe(took_ms / 1_000);
  }

  /** Shows a pod's probes no more. */
  forget(pod: Pod): void {
    const labels = { pod: nameOf(pod), namespace: namespaceOf(pod) };
    this.#total.forget({ ...labels, pod_uid: uidOf(pod) });
    this.#durations.forget(labels);
  }
}
