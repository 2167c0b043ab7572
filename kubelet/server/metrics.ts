import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { Gauge, metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics, addTraceMetrics } from "@raft2kube/observe/process-metrics.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { Measurements } from "./measurements.ts";
import { runsContainers } from "./pod-list.ts";
import { claimsOf, type VolumeUsages } from "./stats-storage.ts";
import { addVolumeMetrics } from "./volume-metrics.ts";

/**
 * Returns the kubelet's own metrics, with upstream's names, collected at each scrape; volumes are
 * those of running pods' claims, at the last measurement.
 */
export async function kubeletMetrics(
  workers: { list(): readonly { pod: Pod; status: PodStatus | undefined }[] },
  claims: Pick<Measurements<VolumeUsages>, "of">,
  tracer?: Tracer,
): Promise<{ type: string; body: string }> {
  const registry = metricsRegistry();
  const registers = [registry];
  addProcessMetrics(registry);
  addTraceMetrics(registry, tracer);
  const pods = new Gauge({
    name: "kubelet_running_pods",
    help: "Number of pods that have a running pod sandbox",
    registers,
  });
  const containers = new Gauge({
    name: "kubelet_running_containers",
    help: "Number of containers currently running",
    labelNames: ["container_state"],
    registers,
  });
  const states = new Map<string, number>();
  let running = 0;
  for (const { status } of workers.list()) {
    if (status?.phase === "Running") running++;
    for (const { state } of status?.containerStatuses ?? []) {
      const name = state?.running ? "running" : state?.terminated ? "exited" : "created";
      states.set(name, (states.get(name) ?? 0) + 1);
    }
  }
  pods.set(running);
  for (const [state, count] of states) containers.set({ container_state: state }, count);
  const withClaims = workers
    .list()
    .filter(({ pod, status }) => claimsOf(pod).size > 0 && runsContainers(status))
    .map(({ pod }) => pod);
  addVolumeMetrics(registry, withClaims, await claims.of(withClaims));
  return exposition(registry);
}
