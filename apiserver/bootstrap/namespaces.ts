import { ensure } from "../registry/internal-write.ts";
import type { BootstrapServer } from "./server.ts";

const NAMESPACES = ["kube-system", "kube-public", "kube-node-lease", "default"];

/** The namespaces that every cluster has. */
export async function ensureNamespaces(server: BootstrapServer): Promise<void> {
  const resource = server.resources.of("v1", "namespaces");
  for (const name of NAMESPACES) await ensure(server, resource, { metadata: { name } });
}
