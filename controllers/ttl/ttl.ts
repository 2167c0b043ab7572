import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { everyChange, startLoop } from "../loop.ts";
import { nodeTtl_s } from "./plan.ts";

const ACCOUNT = "ttl-controller";
const TTL = "node.alpha.kubernetes.io/ttl";

/** Writes on each node for how long its kubelet may keep Secrets and ConfigMaps. */
export function startNodeTtl(context: ControllerContext): Running {
  const nodes = context.informers.of(NODES);
  const writer = context.client(ACCOUNT).resource(NODES);
  let ttl_s: number | undefined;

  const reconcile = async (name: string) => {
    const node = nodes.store.get(name);
    if (!node) return;
    ttl_s = nodeTtl_s(nodes.store.size, ttl_s);
    if (node.metadata.annotations?.[TTL] === String(ttl_s)) return;
    const metadata = { annotations: { [TTL]: String(ttl_s) } };
    await undefinedIfNotFound(writer.patch({ name }, "strategic", { metadata }));
  };

  const loop = startLoop(context, {
    queue: "ttlcontroller",
    name: ACCOUNT,
    reads: [nodes],
    reconcile,
  });
  nodes.handle(everyChange(loop.queue));
  return loop;
}
