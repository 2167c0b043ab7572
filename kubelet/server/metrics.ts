import { exposition } from "@raft2kube/observe/exposition.ts";
import { Gauge, metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { addProcessMetrics } from "@raft2kube/observe/process-metrics.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodStorages } from "./stats-storage.ts";
import { addVolumeMetrics, hasClaims } from "./volume-metrics.ts";

/**
 * Returns the kubelet's own metrics, with upstream's names, collected at each scrape; volumes are
 * those of the last measurement.
 */
export async function kubeletMetrics(
  workers: PodWorkers,
  storages: PodStorages,
): Promise<{ type: string; body: string }> {
  const registry = metricsRegistry();
  const registers = [registry];
  addProcessMetrics(registry);
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
  const all = workers.list().map(({ pod }) => pod);
  const withClaims = all.filter(hasClaims);
  addVolumeMetrics(registry, withClaims, await storages.of(withClaims, all));
  return exposition(registry);
}
