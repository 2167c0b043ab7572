import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { NODES } from "@raft2kube/client-kube/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { closeAll, startLoop } from "../loop.ts";
import { clusterRanges, freePart } from "./plan.ts";

const ACCOUNT = "node-controller";

/** Gives each node its part of the pod range. One worker: two must not choose the same part. */
export function startNodeIpam(context: ControllerContext): Running {
  const { clusterCidr, nodeCidrMask } = context.settings;
  const ranges = clusterRanges(clusterCidr, nodeCidrMask);
  const nodes = context.informers.of<Node>(NODES);
  const writer = context.client(ACCOUNT).resource<Node>(NODES);
  const recorder = context.recorder(ACCOUNT, "cidrAllocator");
  /** Given out, and perhaps not yet seen on the node. */
  const given = new Map<string, string[]>();

  const reconcile = async (name: string) => {
    const node = nodes.store.get(name);
    if (!node) return void given.delete(name);
    if (node.spec?.podCIDR) return;
    const used = nodes.store.list().flatMap((other) => other.spec?.podCIDRs ?? []);
    used.push(...[...given.values()].flat());
    const podCIDRs = given.get(name) ?? ranges.flatMap((range) => freePart(range, used) ?? []);
    const [podCIDR] = podCIDRs;
    if (podCIDR === undefined || podCIDRs.length < ranges.length) {
      const message = `Node ${name} status is now: CIDRNotAvailable`;
      recorder.record(node, "Normal", "CIDRNotAvailable", message);
      throw new RangeError(`no range is left in ${clusterCidr} for node ${name}`);
    }
    given.set(name, podCIDRs);
    const metadata = { uid: node.metadata.uid };
    await writer.patch({ name }, "strategic", { metadata, spec: { podCIDR, podCIDRs } });
  };

  const options = { name: "node-ipam-controller", reads: [nodes], workers: 1, reconcile };
  const loop = startLoop(context, options);
  const look = (node: Node) => {
    if (!node.spec?.podCIDR) loop.queue.add(node.metadata.name ?? "");
  };
  nodes.handle({
    added: look,
    updated: look,
    deleted: (node) => loop.queue.add(node.metadata.name ?? ""),
  });
  return closeAll(loop, recorder);
}
