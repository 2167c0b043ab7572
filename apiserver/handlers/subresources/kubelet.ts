import { Agent } from "node:https";
import type { Node as CoreNode, Pod as CorePod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import {
  badRequest,
  notFound,
  serviceUnavailable,
} from "@raft2kube/apimachinery/errors/catalog.ts";
import type { KubeletAccess } from "../../options.ts";
import type { ApiServer } from "../server.ts";

const KUBELET_PORT = 10250;

type Node = CoreNode & KubeObject;
type Pod = CorePod & KubeObject;

/** A kubelet's address. */
export type KubeletAddress = { host: string; port: number };

/** How nodes are reached, in order (upstream's --kubelet-preferred-address-types). */
const ADDRESS_TYPES = ["InternalIP", "Hostname", "InternalDNS", "ExternalIP", "ExternalDNS"];

/**
 * The kubelet of a node, from the node's own object. Throws 404, or 503 when it names no address.
 * The 404 of a missing node names the resource of the request, as upstream's.
 */
export async function kubeletOf(
  server: ApiServer,
  nodeName: string,
  requested: "nodes" | "pods",
): Promise<KubeletAddress> {
  const node = await server.resources.of("v1", "nodes").store.find<Node>("", nodeName);
  if (node === undefined) throw notFound({ group: "", name: requested }, nodeName);
  return addressOf(node);
}

/** Where the kubelet of a node answers. Throws 503 when the node names no address. */
export function addressOf(node: Readonly<Node>): KubeletAddress {
  const { addresses = [], daemonEndpoints } = node.status ?? {};
  for (const type of ADDRESS_TYPES) {
    const found = addresses.find((each) => each.type === type);
    const port = daemonEndpoints?.kubeletEndpoint?.Port || KUBELET_PORT;
    if (found) return { host: found.address, port };
  }
  const name = JSON.stringify(node.metadata.name);
  throw serviceUnavailable(`no preferred addresses found for node ${name}`);
}

/** A pod's place: its kubelet, its uid, and the container asked for or the only one. */
export type PodPlace = { kubelet: KubeletAddress; container: string; pod: Pod };

/** The same for exec, attach or port-forward. Throws 400 while the pod runs nowhere. */
export async function placeOf(
  server: ApiServer,
  namespace: string,
  name: string,
  container: string | undefined,
): Promise<PodPlace> {
  const place = await placeIfAny(server, namespace, name, container);
  if (place === undefined) throw badRequest(`pod ${name} does not have a host assigned`);
  return place;
}

/**
 * Finds where a pod runs, undefined while it runs nowhere. `container` is the one asked for, "" for
 * the only one, undefined when none is meant.
 */
export async function placeIfAny(
  server: ApiServer,
  namespace: string,
  name: string,
  container: string | undefined,
): Promise<PodPlace | undefined> {
  const pod = await server.resources.of("v1", "pods").store.get<Pod>(namespace, name);
  const chosen =
    container === undefined
      ? ""
      : container === ""
        ? onlyContainer(pod, name)
        : checked(pod, container);
  const node = pod.spec?.nodeName ?? "";
  if (node === "") return undefined;
  return { kubelet: await kubeletOf(server, node, "pods"), container: chosen, pod };
}

function containersOf(pod: Pod): string[] {
  const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
  return [...containers, ...initContainers, ...ephemeralContainers].map((each) => each.name);
}

function checked(pod: Pod, container: string): string {
  if (containersOf(pod).includes(container)) return container;
  throw badRequest(`container ${container} is not valid for pod ${pod.metadata.name}`);
}

const DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container";

function onlyContainer(pod: Pod, name: string): string {
  const containers = (pod.spec?.containers ?? []).map((each) => each.name);
  if (containers.length === 1) return containers[0]!;
  const annotated = pod.metadata.annotations?.[DEFAULT_CONTAINER];
  if (annotated !== undefined && containers.includes(annotated)) return annotated;
  throw badRequest(
    `a container name must be specified for pod ${name}, choose one of: ` +
      `[${containers.join(" ")}]`,
  );
}

type KubeletClient = Pick<ApiServer, "options" | "closing">;

/** The agents of a client certificate: a renewed one has others. */
const agents = new WeakMap<KubeletAccess, Map<boolean, Agent>>();

/**
 * Connections to kubelets, with this server's client certificate; closed with the server. A
 * `careless` one does not verify the kubelet's certificate: a client may request that to read logs
 * of a node whose certificate has expired.
 */
export function kubeletAgent(server: KubeletClient, careless = false): Agent {
  const { kubeletClient } = server.options;
  const known = agents.get(kubeletClient) ?? new Map<boolean, Agent>();
  agents.set(kubeletClient, known);
  let agent = known.get(careless);
  if (agent === undefined) {
    const { cert, key, ca } = kubeletClient;
    const rejectUnauthorized = ca !== undefined && !careless;
    const made = new Agent({ cert, key, ca, keepAlive: false, rejectUnauthorized });
    server.closing.addEventListener("abort", () => made.destroy(), { once: true });
    known.set(careless, made);
    agent = made;
  }
  return agent;
}
