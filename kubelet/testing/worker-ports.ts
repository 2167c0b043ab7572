import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { ProbeMetrics } from "../probes/probe-metrics.ts";
import type { WorkerPorts } from "../sync/worker.ts";

/** Returns ports of a pod's worker: a runtime, and a node with nothing but what `more` has. */
export function workerPorts(
  runtime: object,
  { allocations, ...more }: Readonly<Record<string, unknown>> = {},
): WorkerPorts {
  return {
    probeMetrics: new ProbeMetrics(),
    clock: new ManualClock(),
    runtime: { runtime },
    runtimeName: "test",
    events: { record: () => undefined },
    node: { hostIPs: [] },
    ...more,
    allocations: {
      allocated: (pod: Pod) => pod,
      before: () => undefined,
      ...(allocations as object | undefined),
    },
  } as unknown as WorkerPorts;
}

/** Returns allocations that admit each pod, and have its uid in `held`. */
export function holding(held: Set<string>): object {
  return {
    has: (uid: string) => held.has(uid),
    admit: async (pod: Pod) => void held.add(uidOf(pod)),
  };
}
