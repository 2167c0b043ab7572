import { isDeepStrictEqual } from "node:util";
import type { Node, Pod, Taint } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byNode, NODE_INDEX } from "../indexes.ts";
import { closeAll, startLoop } from "../loop.ts";
import { datedTaints, evictionTime } from "./plan.ts";

const ACCOUNT = "node-controller";
const COMPONENT = "taint-eviction-controller";

/** Deletes the pods that do not tolerate their node's NoExecute taints, or no longer do. */
export function startTaintEviction(context: ControllerContext): Running {
  const { clock } = context;
  const nodes = context.informers.of(NODES);
  const pods = context.informers.of(PODS);
  pods.index(NODE_INDEX, byNode);
  const writer = context.client(ACCOUNT).resource(PODS);
  const recorder = context.recorder(ACCOUNT, COMPONENT);

  /** The dated NoExecute taints of nodes that have some, by the nodes' names. */
  const evicting = new Map<string, Taint[]>();

  /** Keys of pods that tolerate their node's taints for a time that has not ended yet. */
  const leaving = new Set<string>();

  const reconcile = async (key: string) => {
    const isLeaving = leaving.delete(key);
    const pod = pods.store.get(key);
    if (!pod || pod.metadata.deletionTimestamp) return;
    const now_ms = clock.now();
    const at_ms = evictionTime(pod, evicting.get(pod.spec.nodeName ?? "") ?? [], now_ms);
    if (at_ms === undefined) {
      const message = `Cancelling deletion of Pod ${key}`;
      if (isLeaving) recorder.record(pod, "Normal", "TaintManagerEviction", message);
      return;
    }
    if (at_ms > now_ms) {
      leaving.add(key);
      return { again_ms: at_ms - now_ms };
    }
    await evict(writer, recorder, pod, now_ms);
  };

  const loop = startLoop(context, {
    queue: "noexec_taint_pod",
    name: COMPONENT,
    reads: [nodes, pods],
    reconcile,
  });
  const look = (pod: Pod) => {
    if (pod.spec.nodeName) loop.queue.add(keyOf(pod));
  };
  const lookAtNode = (node: Node) => {
    const name = keyOf(node);
    const taints = datedTaints(node.spec.taints ?? [], evicting.get(name) ?? [], clock.now());
    if (taints.length > 0) evicting.set(name, taints);
    else if (!evicting.delete(name)) return;
    pods.store.by(NODE_INDEX, name).forEach(look);
  };
  pods.handle({
    added: look,
    updated(pod, old) {
      const placed = ({ nodeName, tolerations }: Pod["spec"]) => [nodeName, tolerations];
      if (!isDeepStrictEqual(placed(pod.spec), placed(old.spec))) look(pod);
    },
    deleted: (pod) => leaving.delete(keyOf(pod)),
  });
  nodes.handle({
    added: lookAtNode,
    updated: lookAtNode,
    deleted: (node) => evicting.delete(keyOf(node)),
  });
  return closeAll(loop, recorder);
}

/** Deletes a pod, marked as evicted. */
async function evict(
  writer: ResourceClient<Pod>,
  recorder: EventRecorder,
  pod: Pod,
  now_ms: number,
): Promise<void> {
  const { uid } = pod.metadata;
  const patch = { metadata: { uid }, status: { conditions: [evicted(pod, now_ms)] } };
  const message = `Marking for deletion Pod ${keyOf(pod)}`;
  recorder.record(pod, "Normal", "TaintManagerEviction", message);
  try {
    await writer.patch({ ...nameOf(pod), subresource: "status" }, "strategic", patch);
    await writer.delete(nameOf(pod), { preconditions: { uid } });
  } catch (thrown) {
    if (!isNotFound(thrown)) throw thrown;
  }
}

/** The condition of a pod that is evicted. */
const evicted = (pod: Pod, now_ms: number) => ({
  type: "DisruptionTarget",
  status: "True",
  observedGeneration: pod.metadata.generation,
  reason: "DeletionByTaintManager",
  message: "Taint manager: deleting due to NoExecute taint",
  lastTransitionTime: timeText(now_ms),
});
