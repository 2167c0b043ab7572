import type { Core } from "../core.ts";
import { ensure } from "../registry/internal-write.ts";

const NAMESPACES = ["kube-system", "kube-public", "kube-node-lease", "default"];

/** The namespaces that every cluster has. */
export async function ensureNamespaces(core: Core): Promise<void> {
  const resource = core.registry.of("v1", "namespaces");
  for (const name of NAMESPACES) {
    await ensure(core, resource, { metadata: { name } });
  }
}
