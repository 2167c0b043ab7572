import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { updateObject } from "../registry/update.ts";
import { ensure, ownWrite } from "../registry/internal-write.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

const NAMESPACE = "kube-system";
const NAME = "extension-apiserver-authentication";

/** Where aggregated apiservers read by which CA clients are known. */
export async function publishClientCa(core: Core): Promise<void> {
  const resource = core.registry.of("v1", "configmaps");
  const data = { "client-ca-file": core.options.clientCa };
  const wanted: ConfigMap = { metadata: { name: NAME, namespace: NAMESPACE }, data };
  await ensure(core, resource, wanted);
  const found = await resource.store.get<ConfigMap>(NAMESPACE, NAME);
  if (found.data?.["client-ca-file"] === data["client-ca-file"]) return;
  await updateObject(
    core,
    resource,
    {
      namespace: NAMESPACE,
      name: NAME,
      mayCreate: false,
      transform(current) {
        const map = current as ConfigMap;
        map.data = { ...map.data, ...data };
        return map;
      },
    },
    ownWrite(),
  );
}
