import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict, isNotFound } from "@raft2kube/client-kube/errors.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";

const WORKERS = 16;
export const NODE_COUNT = 100;

/**
 * Makes each pod ready as soon as it is seen, and one that is not to be restarted succeed. Pods
 * have no node: there is no scheduler, and the apiserver removes them immediately when deleted.
 */
export async function startFakeKubelet(client: KubeClient): Promise<{ close(): Promise<void> }> {
  const { clock } = client;
  const resource = client.resource(PODS);
  const pods = new Informer<Pod>({ resource, clock });
  const queue = new WorkQueue({ clock, workers: 2 * WORKERS });
  const reconcile = async (key: string) => {
    const pod = pods.store.get(key);
    if (!pod || (pod.status?.phase ?? "Pending") !== "Pending") return;
    try {
      await resource.updateStatus({ ...pod, status: statusOf(pod, timeText(clock.now())) });
    } catch (thrown) {
      if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
    }
  };
  const look = (pod: Pod) => queue.add(keyOf(pod));
  pods.handle({ added: look, updated: look });
  pods.start();
  const working = runWorkers("fake-kubelet", queue, reconcile);
  await pods.synced;
  return {
    async close() {
      queue.close();
      await pods.close();
      await working;
    },
  };
}

function statusOf(pod: Pod, now: string): Pod["status"] {
  const ends = pod.spec.restartPolicy === "Never";
  const ready = ends ? "False" : "True";
  const conditions = ["Ready", "ContainersReady"].map((type) => ({
    type,
    status: ready,
    lastTransitionTime: now,
  }));
  return { ...pod.status, phase: ends ? "Succeeded" : "Running", startTime: now, conditions };
}

/** Nodes that stay ready: no controller of nodes runs. */
export async function makeNodes(client: KubeClient): Promise<void> {
  const nodes = client.resource(NODES);
  for (let i = 0; i < NODE_COUNT; i++) {
    const name = `node-${i}`;
    const labels = { "kubernetes.io/hostname": name };
    const node = await nodes.create({ metadata: { name, labels }, spec: {} });
    // Admission has put a taint on it, which the controller of nodes would remove.
    await nodes.patch(nameOf(node), "merge", { spec: { taints: null } });
    const conditions = [{ type: "Ready", status: "True" }];
    const amounts = { cpu: "8", memory: "16Gi", pods: "110" };
    const status = { conditions, capacity: amounts, allocatable: amounts };
    await nodes.patch({ name, subresource: "status" }, "strategic", { status });
  }
}
