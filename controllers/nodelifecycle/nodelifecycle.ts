import type { Node, Pod, Taint } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { isPodReady } from "@raft2kube/client-kube/object/pod-state.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { LEASES, NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { forEach } from "@raft2kube/reconcile/each.ts";
import type { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import type { ControllerContext, Running } from "../context.ts";
import { byNode, NODE_INDEX } from "../indexes.ts";
import { NODE_GRACE_MS, NODE_STARTUP_GRACE_MS } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import { isNodeReady } from "../node-state.ts";
import { EvictionPace } from "./eviction-pace.ts";
import { conditionOf, type NodeHealth, observe, planTaints, unknownConditions } from "./plan.ts";

const ACCOUNT = "node-controller";
/** The taints that the conditions of a node come to when its pods must go. */
const EVICTING: ReadonlySet<string> = new Set([
  "node.kubernetes.io/not-ready",
  "node.kubernetes.io/unreachable",
]);
const LEASE_NAMESPACE = "kube-node-lease";

/** Notices nodes that fall silent, and turns the conditions of all nodes into taints. */
export function startNodeLifecycle(context: ControllerContext): Running {
  const { clock, settings } = context;
  const monitorGrace_ms = settings.nodeMonitorGracePeriod_ms ?? NODE_GRACE_MS;
  const nodes = context.informers.of(NODES);
  const leases = context.informers.of(LEASES, { namespace: LEASE_NAMESPACE });
  const pods = context.informers.of(PODS);
  pods.index(NODE_INDEX, byNode);
  const client = context.client(ACCOUNT);
  const nodeWriter = client.resource(NODES);
  const podWriter = client.resource(PODS);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  const health = new Map<string, NodeHealth>();
  const paces = new EvictionPace();

  const reconcile = async (name: string) => {
    const node = nodes.store.get(name);
    if (!node) return void health.delete(name);
    const now_ms = clock.monotonic();
    const lease = leases.store.get(`${LEASE_NAMESPACE}/${name}`);
    const known = observe(health.get(name), node, lease, now_ms);
    health.set(name, known);
    const silent_ms = now_ms - known.seen_ms;
    const grace_ms = conditionOf(node, "Ready") ? monitorGrace_ms : NODE_STARTUP_GRACE_MS;
    const isSilent = silent_ms >= grace_ms;
    let turn_ms = Infinity;
    const pace = async () => void (turn_ms = await taint(node));
    try {
      await forEach(isSilent ? [() => doubt(node), pace] : [pace], (step) => step());
    } catch (thrown) {
      // The pause after several failures may be longer than the node can wait.
      loop.queue.addAfter(name, Math.min(turn_ms, isSilent ? grace_ms : grace_ms - silent_ms));
      throw thrown;
    }
    return { again_ms: Math.min(turn_ms, Math.max(1_000, grace_ms - silent_ms)) };
  };

  const doubt = async (node: Node) => {
    const held = pods.store.by(NODE_INDEX, keyOf(node));
    await markUnknown(nodeWriter, recorder, node, clock.now());
    await markPodsNotReady(podWriter, recorder, held, clock.now());
  };

  /** Writes a node's taints; returns when to do so again, if its pods must not be evicted yet. */
  const taint = async (node: Node): Promise<number> => {
    const all = nodes.store.list();
    const taints = planTaints(node, all.some(isNodeReady), clock.now());
    const evicts = !node.spec.taints?.some(isEvicting) && taints?.some(isEvicting) === true;
    const wait_ms = evicts ? paces.take(node, all, clock.monotonic()) : 0;
    const now = wait_ms > 0 ? planTaints(node, false, clock.now()) : taints;
    await setTaints(nodeWriter, node, now);
    if (evicts && wait_ms === 0) context.metrics.nodes.evicted(node);
    return wait_ms || Infinity;
  };

  context.metrics.nodes.show(() => nodes.store.list(), isNodeReady);
  const reads = [nodes, leases, pods];
  const loop = startLoop(context, {
    queue: "node_lifecycle_controller",
    name: "node-lifecycle-controller",
    reads,
    reconcile,
  });
  watchNodes(nodes, loop.queue);
  recordMembership(nodes, recorder);
  leases.handle({ updated: (lease) => loop.queue.add(lease.metadata.name ?? "") });
  return closeAll(loop, recorder);
}

function watchNodes(nodes: Informer<Node>, queue: WorkQueue): void {
  const look = (node: Node) => queue.add(keyOf(node));
  nodes.handle({
    added: look,
    updated(node, old) {
      look(node);
      // Eviction depends on whether any node is ready.
      if (isNodeReady(node) !== isNodeReady(old)) nodes.store.list().forEach(look);
    },
    deleted: look,
  });
}

/** Reports each node that comes and goes, and all of them at the start, as upstream. */
function recordMembership(nodes: Informer<Node>, recorder: EventRecorder): void {
  const record = (node: Node, reason: string, happened: string) =>
    recorder.record(node, "Normal", reason, `Node ${keyOf(node)} event: ${happened}`);
  nodes.handle({
    added: (node) => record(node, "RegisteredNode", `Registered Node ${keyOf(node)} in Controller`),
    deleted: (node) => record(node, "RemovingNode", `Removing Node ${keyOf(node)} from Controller`),
  });
}

const isEvicting = ({ effect, key }: Taint): boolean => effect === "NoExecute" && EVICTING.has(key);

async function markUnknown(
  writer: ResourceClient<Node>,
  recorder: EventRecorder,
  node: Node,
  now_ms: number,
): Promise<void> {
  const conditions = unknownConditions(node, now_ms);
  if (!conditions) return;
  const message = `Node ${keyOf(node)} status is now: NodeNotReady`;
  if (isNodeReady(node)) recorder.record(node, "Normal", "NodeNotReady", message);
  await writer.updateStatus({ ...node, status: { ...node.status, conditions } });
}

async function setTaints(
  writer: ResourceClient<Node>,
  node: Node,
  taints: Taint[] | undefined,
): Promise<void> {
  if (!taints) return;
  const { uid, resourceVersion } = node.metadata;
  const patch = { metadata: { uid, resourceVersion }, spec: { taints } };
  await writer.patch(nameOf(node), "merge", patch);
}

/**
 * Endpoints must not contain pods of an unreachable node. A kubelet that reports its node as not
 * ready still reports its pods' readiness itself (as upstream, tryUpdateNodeHealth).
 */
async function markPodsNotReady(
  writer: ResourceClient<Pod>,
  recorder: EventRecorder,
  pods: readonly Pod[],
  now_ms: number,
): Promise<void> {
  await forEach(pods.filter(isPodReady), async (pod) => {
    const lastTransitionTime = timeText(now_ms);
    const observedGeneration = pod.metadata.generation;
    const condition = { type: "Ready", status: "False", observedGeneration, lastTransitionTime };
    const patch = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } };
    try {
      await writer.patch({ ...nameOf(pod), subresource: "status" }, "strategic", patch);
      recorder.record(pod, "Warning", "NodeNotReady", "Node is not ready");
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
    }
  });
}
