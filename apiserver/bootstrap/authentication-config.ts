import type { ConfigMap as CoreConfigMap } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { changeInternally, ensure } from "../registry/internal-write.ts";
import type { BootstrapServer } from "./server.ts";

type ConfigMap = CoreConfigMap & KubeObject;

const NAMESPACE = "kube-system";
const NAME = "extension-apiserver-authentication";

/** Publishes the CAs of clients and of this server as a proxy, for aggregated API servers. */
export async function publishClientCa(
  server: BootstrapServer,
  trusted: Trusted = server.options,
): Promise<void> {
  const resource = server.resources.of("v1", "configmaps");
  const data = authenticationData(trusted);
  const wanted: ConfigMap = { metadata: { name: NAME, namespace: NAMESPACE }, data };
  await ensure(server, resource, wanted);
  const found = await resource.store.get<ConfigMap>(NAMESPACE, NAME);
  if (Object.entries(data).every(([name, value]) => found.data?.[name] === value)) return;
  await changeInternally<ConfigMap>(server, resource, wanted.metadata, (map) => ({
    ...map,
    data: { ...map.data, ...data },
  }));
}

type Trusted = Pick<BootstrapServer["options"], "clientCa" | "requestHeader">;

function authenticationData({ clientCa, requestHeader }: Trusted): Record<string, string> {
  if (requestHeader === undefined) return { "client-ca-file": clientCa };
  const { uidHeaders } = requestHeader;
  return {
    "client-ca-file": clientCa,
    "requestheader-client-ca-file": requestHeader.clientCa,
    "requestheader-allowed-names": JSON.stringify(requestHeader.allowedNames),
    "requestheader-username-headers": JSON.stringify(requestHeader.usernameHeaders),
    ...(uidHeaders.length === 0 ? {} : { "requestheader-uid-headers": JSON.stringify(uidHeaders) }),
    "requestheader-group-headers": JSON.stringify(requestHeader.groupHeaders),
    "requestheader-extra-headers-prefix": JSON.stringify(requestHeader.extraHeaderPrefixes),
  };
}
