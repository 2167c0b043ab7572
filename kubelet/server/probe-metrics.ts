import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { addMetric } from "@raft2kube/observe/families.ts";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { ProbeCount } from "../probes/probe-counts.ts";

const DURATION = "prober_probe_duration_seconds";

/** Returns /metrics/probes, with upstream's names: the probes of the node's pods. */
export function probeMetrics(workers: {
  list(): readonly { pod: Pod; probed: Iterable<ProbeCount> }[];
}): Promise<{ type: string; body: string }> {
  const probes = workers.list().flatMap(({ pod, probed }) =>
    [...probed].map((count) => {
      const { kind: probe_type, container } = count;
      const labels = { probe_type, container, pod: nameOf(pod), namespace: namespaceOf(pod) };
      return { count, labels, pod_uid: uidOf(pod) };
    }),
  );
  const registry = metricsRegistry();
  addMetric(
    registry,
    {
      name: "prober_probe_total",
      help: "Cumulative number of a liveness, readiness or startup probe for a container by result.",
      type: "counter",
    },
    () =>
      probes.flatMap(({ count, labels, pod_uid }) =>
        (["successful", "failed"] as const)
          .filter((result) => count[result] > 0)
          .map((result) => ({ labels: { ...labels, result, pod_uid }, value: count[result] })),
      ),
  );
  addMetric(
    registry,
    { name: DURATION, help: "Duration in seconds for a probe response.", type: "histogram" },
    () =>
      probes
        .filter(({ count }) => count.successful > 0)
        .flatMap(({ count, labels }) => count.durations.samples(DURATION, labels)),
  );
  const start = { name: "process_start_time_seconds", help: "When the process began, since 1970." };
  const start_s = performance.timeOrigin / 1_000;
  addMetric(registry, { ...start, type: "gauge" }, () => [{ labels: {}, value: start_s }]);
  return exposition(registry);
}
