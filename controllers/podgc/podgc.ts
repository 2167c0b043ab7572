import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import type { ControllerContext, Running } from "../context.ts";
import { NODE_GONE_MS, POD_GC_MS, TERMINATED_PODS_MAX } from "../limits.ts";
import { startLoop } from "../loop.ts";
import {
  isHeld,
  isOver,
  isUnscheduled,
  type LeftoverPod,
  type NodeState,
  orphanedStatus,
  planPodGc,
  stateOfNode,
} from "./plan.ts";

const ACCOUNT = "pod-garbage-collector";
const ALL = "all pods";

/**
 * Removes pods that no kubelet will ever remove. A pass finds all of them; each is then removed in
 * its namespace's turn, since a tenant may have thousands on nodes that never were.
 */
export function startPodGc(context: ControllerContext): Running {
  const { clock } = context;
  const nodes = context.informers.of(NODES);
  const pods = context.informers.of(PODS);
  const client = context.client(ACCOUNT);
  const podWriter = client.resource(PODS);
  const named = new NamedNodes(nodes.store, client.resource(NODES));
  /** The pods to remove, by their keys. */
  let leftovers = new Map<string, LeftoverPod>();

  const pass = () => {
    const stateOf = named.startPass(clock.monotonic());
    const found = planPodGc(pods.store.list(), stateOf, TERMINATED_PODS_MAX);
    leftovers = new Map(found.map((each) => [keyOf(each.pod), each]));
    for (const key of leftovers.keys()) loop.queue.add(key);
  };

  const collect = async (key: string) => {
    const leftover = leftovers.get(key);
    if (!leftover) return;
    const { pod, why } = leftover;
    if (why === "orphaned" && (await named.isThere(pod.spec.nodeName ?? ""))) return;
    await remove(podWriter, leftover, clock.now());
    leftovers.delete(key);
  };

  const reads = [nodes, pods];
  const loop = startLoop(context, {
    queue: "orphaned_pods_nodes",
    name: ACCOUNT,
    reads,
    reconcile: async (key) => {
      if (key !== ALL) return await collect(key);
      pass();
      return { again_ms: POD_GC_MS };
    },
  });
  loop.queue.add(ALL);
  // One that never had a node and is being deleted need not wait for the next round.
  pods.handle({
    updated(pod) {
      if (!isUnscheduled(pod) || isOver(pod)) return;
      leftovers.set(keyOf(pod), { pod, why: "unscheduled" });
      loop.queue.add(keyOf(pod));
    },
  });
  return loop;
}

/** The nodes that pods name. */
class NamedNodes {
  readonly #nodes: Pick<ReadStore<Node>, "get">;
  readonly #reader: Pick<ResourceClient<Node>, "get">;
  /** Times since which nodes with pods are not in the informer. */
  #missing = new Map<string, number>();
  /** Whether the server has a node, as it was asked since the last pass. */
  #asked = new Map<string, Promise<boolean>>();

  constructor(nodes: Pick<ReadStore<Node>, "get">, reader: Pick<ResourceClient<Node>, "get">) {
    this.#nodes = nodes;
    this.#reader = reader;
  }

  /** Returns how to find the states of nodes in a pass over all pods. */
  startPass(now_ms: number): (name: string) => NodeState {
    const before = this.#missing;
    this.#missing = new Map();
    this.#asked = new Map();
    return (name) => {
      const node = this.#nodes.get(name);
      if (node) return stateOfNode(node);
      // For a shorter time the informer may just be late.
      const since_ms = before.get(name) ?? now_ms;
      this.#missing.set(name, since_ms);
      return now_ms - since_ms >= NODE_GONE_MS ? "gone" : "present";
    };
  }

  /** Whether the server has a node that the informer has not; asked once in a pass. */
  isThere(name: string): Promise<boolean> {
    const asking =
      this.#asked.get(name) ??
      tolerate(this.#reader.get({ name }), isNotFound).then((node) => node !== undefined);
    this.#asked.set(name, asking);
    return asking;
  }
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
