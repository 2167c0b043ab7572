import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { ensure } from "./own-write.ts";

interface ServiceCidr extends KubeObject {
  spec: { cidrs: string[] };
}

/** The range of Services as an object, for those who want to know it. */
export async function ensureServiceCidr(core: Core): Promise<void> {
  const resource = core.registry.of("networking.k8s.io/v1", "servicecidrs");
  const object: ServiceCidr = {
    metadata: { name: "kubernetes" },
    spec: { cidrs: [core.options.serviceCidr] },
  };
  await ensure(core, resource, object);
}
