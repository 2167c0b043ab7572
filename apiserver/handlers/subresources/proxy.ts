import { Agent } from "node:https";
import type { Endpoints, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { badRequest, serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { isPodTerminal } from "@raft2kube/client-kube/object/pod-state.ts";
import { authorizeCreate } from "../../authz/authorize-write.ts";
import { reachable } from "../../object/reachable.ts";
import type { Resource } from "../../resource/resource.ts";
import type { ApiServer, Serve } from "../server.ts";
import { admitConnection } from "./admit-connection.ts";
import { kubeletAgent, kubeletOf } from "./kubelet.ts";
import { type ProxyPlace, passThrough } from "./pass-through.ts";

/** `https:web:8080`, `web:http`, `web`: what stands in the place of a name before `/proxy`. */
type ProxyTarget = { scheme: string; name: string; port: string };

const OPTION_KINDS = {
  nodes: "NodeProxyOptions",
  pods: "PodProxyOptions",
  services: "ServiceProxyOptions",
} as const;

/** pods, services and nodes `/proxy`: a request to the backend there. */
export const serveProxy: Serve = async (server, resource, context) => {
  const { info } = context;
  // A kubelet's upgrades run processes in pods, with this server's permissions.
  if (info.resource === "nodes" && context.upgrade) {
    await authorizeCreate(server.authorizer, context);
  }
  const path = info.rest.length === 0 ? {} : { path: info.rest.join("/") };
  const kind = OPTION_KINDS[info.resource as keyof typeof OPTION_KINDS];
  await admitConnection(server, resource, context, kind, path);
  const place = await placeOf(server, resource, info.namespace, parseTarget(info.name));
  await passThrough(server, context, place);
  return { type: "taken" };
};

/**
 * Pods and Services are reached by address, which their certificates rarely contain: as upstream,
 * they are not verified. No client certificate is sent.
 */
const UNVERIFIED = new Agent({ rejectUnauthorized: false, keepAlive: false });

const agentOf = ({ scheme }: ProxyTarget): Agent | undefined =>
  scheme === "https" ? UNVERIFIED : undefined;

function parseTarget(text: string): ProxyTarget {
  const parts = text.split(":");
  if (parts.length === 1) return { scheme: "http", name: text, port: "" };
  if (parts.length === 2) return { scheme: "http", name: parts[0]!, port: parts[1]! };
  const [scheme = "", name = "", port = ""] = parts;
  if (parts.length !== 3 || (scheme !== "http" && scheme !== "https" && scheme !== "")) {
    throw badRequest(`invalid proxy target ${JSON.stringify(text)}`);
  }
  return { scheme: scheme || "http", name, port };
}

async function placeOf(
  server: ApiServer,
  resource: Resource,
  namespace: string,
  target: ProxyTarget,
): Promise<ProxyPlace> {
  switch (resource.kind.plural) {
    case "nodes":
      return await nodePlace(server, target);
    case "pods":
      return await podPlace(resource, namespace, target);
    default:
      return await servicePlace(server, resource, namespace, target);
  }
}

/** A node's kubelet, or what listens on another port of the node. */
async function nodePlace(server: ApiServer, target: ProxyTarget): Promise<ProxyPlace> {
  const kubelet = await kubeletOf(server, target.name, "nodes");
  if (target.port === "" || target.port === String(kubelet.port)) {
    return { ...kubelet, agent: kubeletAgent(server) };
  }
  return { host: reachable(kubelet.host), port: portIn(target.port), agent: agentOf(target) };
}

function portIn(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port;
  throw badRequest(`invalid port ${JSON.stringify(text)}`);
}

async function podPlace(
  resource: Resource,
  namespace: string,
  target: ProxyTarget,
): Promise<ProxyPlace> {
  const pod = await resource.store.get<Pod & KubeObject>(namespace, target.name);
  const declared = (pod.spec?.containers ?? []).flatMap((each) => each.ports ?? []);
  const usual = target.scheme === "https" ? 443 : 80;
  const port = target.port === "" ? (declared[0]?.containerPort ?? usual) : portIn(target.port);
  const host = pod.status?.podIP ?? "";
  if (host === "") throw badRequest("address not allowed");
  // Its address, which the status keeps, may be another namespace's pod's by now, whose
  // NetworkPolicies let this server in as the node.
  if (isPodTerminal(pod)) throw badRequest(`pod ${target.name} has ended`);
  return { host: reachable(host), port, agent: agentOf(target) };
}

async function servicePlace(
  server: ApiServer,
  resource: Resource,
  namespace: string,
  target: ProxyTarget,
): Promise<ProxyPlace> {
  const service = await resource.store.get<Service & KubeObject>(namespace, target.name);
  const ports = service.spec?.ports ?? [];
  const wanted =
    target.port === ""
      ? ports[0]
      : ports.find((each) => each.name === target.port || String(each.port) === target.port);
  if (wanted === undefined) {
    throw serviceUnavailable(
      `no service port ${JSON.stringify(target.port)} found for service ` +
        JSON.stringify(target.name),
    );
  }
  const endpoints = await server.resources
    .of("v1", "endpoints")
    .store.find<Endpoints & KubeObject>(namespace, target.name);
  for (const subset of endpoints?.subsets ?? []) {
    const port = (subset.ports ?? []).find((each) => (each.name ?? "") === (wanted.name ?? ""));
    const addresses = subset.addresses ?? [];
    if (port === undefined || addresses.length === 0) continue;
    const pick = addresses[Math.floor(server.random.next() * addresses.length)]!;
    return { host: reachable(pick.ip), port: port.port, agent: agentOf(target) };
  }
  throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(target.name)}`);
}
