import { keyOf } from "../../storage/keys.ts";
import { nodeRefusal } from "../plugin.ts";
import type { NodeCheck } from "./node-check.ts";

/** Whether a label has a node's name: a node may be named as the value of another, `linux`. */
export function namesNode(key: string): boolean {
  return key === "kubernetes.io/hostname" || key.endsWith("/node");
}

/**
 * Throws 403 if such a label gets the name of another Node: pods that are kept to that one, by
 * hostname or by their volumes, would come with their Secrets. Not upstream's, whose nodes may have
 * any hostname.
 */
export const checkNamingLabels: NodeCheck = async (request, node, { resources }) => {
  const before = request.old?.metadata.labels ?? {};
  const nodes = resources.of("v1", "nodes");
  const cache = await nodes.cache();
  for (const [key, value] of Object.entries(request.object?.metadata.labels ?? {})) {
    if (!namesNode(key) || value === node || value === "" || value === before[key]) continue;
    if (cache.get(keyOf(nodes.kind, "", value)) === undefined) continue;
    const why = `is not allowed to have the name of Node ${value} in the label ${key}`;
    throw nodeRefusal(request, node, why);
  }
};
