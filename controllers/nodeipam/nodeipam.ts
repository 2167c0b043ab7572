import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { NODE_RANGE_LOOK_MS } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import { type ClusterRange, clusterRanges, freePart, rangeCondition, saysNoRange } from "./plan.ts";

const NAME = "node-ipam-controller";
const ACCOUNT = "node-controller";

/** Gives each node its part of the pod range. One worker: two must not choose the same part. */
export function startNodeIpam(context: ControllerContext): Running {
  const { clusterCidr, nodeCidrMask } = context.settings;
  const ranges = clusterRanges(clusterCidr, nodeCidrMask);
  const nodes = context.informers.of(NODES);
  const writer = context.client(ACCOUNT).resource(NODES);
  const recorder = context.recorder(ACCOUNT, "cidrAllocator");
  /** Given out, and perhaps not yet seen on the node. */
  const given = new Map<string, string[]>();
  /** Nodes that found no part left: their own changes do not matter, another's end does. */
  const waiting = new Set<string>();

  const reconcile = async (name: string) => {
    const node = nodes.store.get(name);
    if (!node) return forget(name);
    if (node.spec?.podCIDR) return settle(node, name);
    const seen = nodes.store.list().map((other) => other.spec?.podCIDRs ?? []);
    const used = [...seen, ...given.values()].flat();
    const podCIDRs = given.get(name) ?? freeParts(ranges, used);
    const [podCIDR] = podCIDRs;
    if (podCIDR === undefined || podCIDRs.length < ranges.length) return wait(node, name);
    given.set(name, podCIDRs);
    const { uid } = node.metadata;
    await writer.patch({ name }, "strategic", { metadata: { uid }, spec: { podCIDR, podCIDRs } });
    await settle(node, name);
  };

  const settle = async (node: Node, name: string) => {
    waiting.delete(name);
    if (saysNoRange(node)) await setCondition(node, name, true);
  };

  const forget = (name: string) => {
    given.delete(name);
    waiting.delete(name);
    for (const other of waiting) loop.queue.add(other);
  };

  const wait = async (node: Node, name: string) => {
    if (!waiting.has(name)) {
      waiting.add(name);
      const message = `Node ${name} status is now: CIDRNotAvailable`;
      recorder.record(node, "Normal", "CIDRNotAvailable", message);
      if (!saysNoRange(node)) await setCondition(node, name, false);
    }
    return { again_ms: NODE_RANGE_LOOK_MS };
  };

  const setCondition = async ({ metadata: { uid } }: Node, name: string, hasRange: boolean) => {
    const condition = rangeCondition(hasRange, ranges, timeText(context.clock.now()));
    const patch = { metadata: { uid }, status: { conditions: [condition] } };
    await writer.patch({ name, subresource: "status" }, "strategic", patch);
  };

  const loop = startLoop(context, { name: NAME, reads: [nodes], workers: 1, reconcile });
  const look = (node: Node) => {
    const { name = "" } = node.metadata;
    if (node.spec?.podCIDR ? saysNoRange(node) : !waiting.has(name)) loop.queue.add(name);
  };
  const deleted = ({ metadata: { name = "" } }: Node) => loop.queue.add(name);
  nodes.handle({ added: look, updated: look, deleted });
  return closeAll(loop, recorder);
}

/** A free part of each range that has one. */
const freeParts = (ranges: readonly ClusterRange[], used: readonly string[]): string[] =>
  ranges.flatMap((range) => freePart(range, used) ?? []);
