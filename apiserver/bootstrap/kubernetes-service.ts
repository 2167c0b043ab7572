import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { updateObject } from "../registry/update.ts";
import { firstServiceAddress } from "../registry/services/service-cidr.ts";
import { decoded, ensure, ownWrite } from "./own-write.ts";

const NAMESPACE = "default";
const NAME = "kubernetes";
const PORT = { name: "https", protocol: "TCP" };

interface Endpoints extends KubeObject {
  subsets?: { addresses?: { ip: string }[]; ports?: object[] }[];
}

interface Slice extends KubeObject {
  addressType: string;
  endpoints: { addresses: string[]; conditions: { ready: boolean } }[];
  ports: object[];
}

/** The Service by which pods reach the API, and where it leads: to this server. */
export async function ensureKubernetesService(core: Core): Promise<void> {
  const { advertiseAddress, advertisePort = 6443, serviceCidr } = core.options;
  const labels = { component: "apiserver", provider: "kubernetes" };
  const service: KubeObject & { spec: object } = {
    metadata: { name: NAME, namespace: NAMESPACE, labels },
    spec: {
      clusterIP: firstServiceAddress(serviceCidr),
      ports: [{ ...PORT, port: 443, targetPort: advertisePort }],
      sessionAffinity: "None",
      type: "ClusterIP",
    },
  };
  await ensure(core, core.registry.of("v1", "services"), service);
  const endpoints: Endpoints = {
    metadata: {
      name: NAME, namespace: NAMESPACE, labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
    },
    subsets: [{ addresses: [{ ip: advertiseAddress }], ports: [{ ...PORT, port: advertisePort }] }],
  };
  await put(core, "v1", "endpoints", endpoints);
  const slice: Slice = {
    metadata: { name: NAME, namespace: NAMESPACE, labels: { "kubernetes.io/service-name": NAME } },
    addressType: "IPv4",
    endpoints: [{ addresses: [advertiseAddress], conditions: { ready: true } }],
    ports: [{ ...PORT, port: advertisePort }],
  };
  await put(core, "discovery.k8s.io/v1", "endpointslices", slice);
}

/** Creates the object, or replaces everything but the metadata of the one there. */
async function put(
  core: Core, apiVersion: string, plural: string, wanted: KubeObject,
): Promise<void> {
  const resource = core.registry.of(apiVersion, plural);
  await ensure(core, resource, wanted);
  await updateObject(core, resource, {
    namespace: NAMESPACE,
    name: NAME,
    mayCreate: false,
    transform: (current) => ({ ...decoded(resource, wanted), metadata: current!.metadata }),
  }, ownWrite());
}
