import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { forEach } from "@raft2kube/reconcile/each.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import type { ControllerContext, Running } from "../context.ts";
import { NODE_GONE_MS, POD_GC_MS, TERMINATED_PODS_MAX } from "../limits.ts";
import { startLoop } from "../loop.ts";
import {
  isHeld,
  isUnscheduled,
  type LeftoverPod,
  orphanedStatus,
  planPodGc,
  stateOfNode,
} from "./plan.ts";

const ACCOUNT = "pod-garbage-collector";
const ALL = "all pods";

/** Removes pods that no kubelet will ever remove. */
export function startPodGc(context: ControllerContext): Running {
  const { clock, metrics } = context;
  const nodes = context.informers.of<Node>(NODES);
  const pods = context.informers.of<Pod>(PODS);
  const client = context.client(ACCOUNT);
  const podWriter = client.resource<Pod>(PODS);
  const nodeReader = client.resource<Node>(NODES);
  /** Times since which nodes with pods are not in the informer. */
  const missing = new Map<string, number>();

  const reconcile = async () => {
    const gone = new Set<string>();
    await forEach([() => findGone(gone), () => collect(gone)], (step) => step());
    return { again_ms: POD_GC_MS };
  };

  const collect = async (gone: ReadonlySet<string>) => {
    const stateOf = (name: string) =>
      gone.has(name) ? "gone" : stateOfNode(nodes.store.get(name));
    const leftovers = planPodGc(pods.store.list(), stateOf, TERMINATED_PODS_MAX);
    await forEach(leftovers, async (leftover) => {
      const { pod, why } = leftover;
      const count = (isDeleted: boolean) =>
        metrics.nodes.collected(pod.metadata.namespace ?? "", why, isDeleted);
      try {
        await remove(podWriter, leftover, clock.now());
        count(true);
      } catch (thrown) {
        count(false);
        throw thrown;
      }
    });
  };

  /**
   * Adds nodes to `gone` that were missing for long enough that their informer cannot just be late,
   * and that the server does not have either.
   */
  const findGone = async (gone: Set<string>) => {
    const named = new Set(pods.store.list().flatMap(({ spec }) => spec.nodeName || []));
    for (const name of missing.keys()) {
      if (!named.has(name) || nodes.store.get(name)) missing.delete(name);
    }
    await forEach(named, async (name) => {
      if (nodes.store.get(name)) return;
      const since_ms = missing.get(name) ?? clock.monotonic();
      missing.set(name, since_ms);
      if (clock.monotonic() - since_ms < NODE_GONE_MS) return;
      if (!(await tolerate(nodeReader.get({ name }), isNotFound))) gone.add(name);
    });
  };

  const reads = [nodes, pods];
  const loop = startLoop(context, {
    queue: "orphaned_pods_nodes",
    name: ACCOUNT,
    reads,
    workers: 1,
    reconcile,
  });
  loop.queue.add(ALL);
  // One that never had a node and is being deleted need not wait for the next round.
  pods.handle({
    updated(pod) {
      if (isUnscheduled(pod)) loop.queue.add(ALL);
    },
  });
  return loop;
}

async function remove(
  writer: ResourceClient<Pod>,
  { pod, why }: LeftoverPod,
  now_ms: number,
): Promise<void> {
  const { uid } = pod.metadata;
  try {
    if (!isPodTerminal(pod)) {
      const status = why === "orphaned" ? orphanedStatus(pod, now_ms) : { phase: "Failed" };
      const name = { ...nameOf(pod), subresource: "status" };
      await writer.patch(name, "strategic", { metadata: { uid }, status });
    }
    if (isHeld(pod)) return;
    await writer.delete(nameOf(pod), { gracePeriodSeconds: 0, preconditions: { uid } });
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}
