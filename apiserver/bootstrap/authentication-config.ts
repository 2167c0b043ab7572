import type { ConfigMap as CoreConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { BootstrapServer } from "./server.ts";
import { changeInternally, ensure } from "../registry/internal-write.ts";

type ConfigMap = CoreConfigMap & KubeObject;

const NAMESPACE = "kube-system";
const NAME = "extension-apiserver-authentication";

/** Where aggregated apiservers read by which CA clients are known. */
export async function publishClientCa(server: BootstrapServer): Promise<void> {
  const resource = server.resources.of("v1", "configmaps");
  const data = { "client-ca-file": server.options.clientCa };
  const wanted: ConfigMap = { metadata: { name: NAME, namespace: NAMESPACE }, data };
  await ensure(server, resource, wanted);
  const found = await resource.store.get<ConfigMap>(NAMESPACE, NAME);
  if (found.data?.["client-ca-file"] === data["client-ca-file"]) return;
  await changeInternally<ConfigMap>(server, resource, wanted.metadata, (map) =>
    ({ ...map, data: { ...map.data, ...data } }));
}
