import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { DAEMON_PODS_BURST } from "../limits.ts";
import { createPods, deletePod, type PodControl } from "../pod-control.ts";
import type { DaemonPlan } from "./plan.ts";
import { daemonPodOf } from "./pod-of.ts";

/** Creates and deletes pods as planned, a bounded number of each. Throws the first error. */
export async function applyPods(
  control: PodControl,
  set: DaemonSet,
  plan: DaemonPlan,
  hash: string,
): Promise<void> {
  const nodes = plan.create.slice(0, DAEMON_PODS_BURST);
  const surplus = plan.delete.slice(0, DAEMON_PODS_BURST);
  recordEnded(control, set, plan);
  control.expectations.expect(set, nodes.length, surplus.map(keyOf));
  const podOf = (place: number) => daemonPodOf(set, nodes[place] ?? "", hash);
  const { error } = await createPods(control, set, nodes.length, podOf);
  const failed = await Promise.all(surplus.map((pod) => deletePod(control, set, pod)));
  const first = error ?? failed.find((each) => each !== undefined);
  if (first !== undefined) throw first;
}

function recordEnded({ recorder }: PodControl, set: DaemonSet, { ended }: DaemonPlan): void {
  for (const { pod, node } of ended) {
    const { namespace, name } = pod.metadata;
    const where = `daemon pod ${namespace}/${name} on node ${node}, will try to`;
    if (pod.status?.phase === "Failed") {
      recorder.record(set, "Warning", "FailedDaemonPod", `Found failed ${where} kill it`);
    } else {
      recorder.record(set, "Normal", "SucceededDaemonPod", `Found succeeded ${where} delete it`);
    }
  }
}
