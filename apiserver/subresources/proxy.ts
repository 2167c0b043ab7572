import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Core } from "../core.ts";
import { badRequest, serviceUnavailable } from "../errors/catalog.ts";
import type { Answer } from "../http/answer.ts";
import { headerOf, type RequestContext } from "../http/context.ts";
import type { Resource } from "../registry/resource.ts";
import { type Backend, forward } from "./forward.ts";
import { kubeletAgent, kubeletOf } from "./kubelet.ts";

/** `https:web:8080`, `web:http`, `web`: what stands in the place of a name before `/proxy`. */
interface ProxyTarget {
  scheme: string;
  name: string;
  port: string;
}

/** Request headers that go along; neither credentials nor who asks. */
const PASSED_HEADERS = [
  "accept",
  "accept-language",
  "content-type",
  "content-length",
  "range",
  "if-none-match",
  "user-agent",
];

/** pods, services and nodes `/proxy`: a plain HTTP request to what runs there. */
export async function serveProxy(
  core: Core,
  resource: Resource,
  context: RequestContext,
): Promise<Answer> {
  if (context.upgrade) throw badRequest("upgrades are not passed through /proxy: use port-forward");
  const { info, query } = context;
  const target = parseTarget(info.name);
  const place = await placeOf(core, resource, info.namespace, target);
  const path = `/${info.rest.map(encodeURIComponent).join("/")}`;
  const search = query.toString();
  const headers: Record<string, string> = {};
  for (const name of PASSED_HEADERS) {
    const value = headerOf(context.request, name);
    if (value !== "") headers[name] = value;
  }
  await forward(core, context, {
    ...place,
    path: search === "" ? path : `${path}?${search}`,
    method: context.request.method ?? "GET",
    headers,
    body: true,
  });
  return { type: "taken" };
}

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

type Place = Pick<Backend, "host" | "port" | "agent">;

async function placeOf(
  core: Core,
  resource: Resource,
  namespace: string,
  target: ProxyTarget,
): Promise<Place> {
  if (target.scheme === "https" && resource.kind.plural !== "nodes") {
    throw badRequest(
      "https backends are not supported by /proxy: their certificates cannot be checked",
    );
  }
  switch (resource.kind.plural) {
    case "nodes":
      return { ...(await kubeletOf(core, target.name)), agent: kubeletAgent(core) };
    case "pods":
      return await podPlace(resource, namespace, target);
    default:
      return await servicePlace(core, resource, namespace, target);
  }
}

interface Pod extends KubeObject {
  spec?: { containers?: { ports?: { containerPort: number }[] }[] };
  status?: { podIP?: string };
}

async function podPlace(
  resource: Resource,
  namespace: string,
  target: ProxyTarget,
): Promise<Place> {
  const pod = await resource.store.get<Pod>(namespace, target.name);
  const declared = (pod.spec?.containers ?? []).flatMap((each) => each.ports ?? []);
  const port = target.port === "" ? (declared[0]?.containerPort ?? 80) : Number(target.port);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw badRequest(`invalid port ${JSON.stringify(target.port)}`);
  }
  const host = pod.status?.podIP ?? "";
  if (host === "") throw serviceUnavailable(`pod ${target.name} has no address`);
  return { host: reachable(host), port, agent: undefined };
}

interface Service extends KubeObject {
  spec?: { ports?: { name?: string; port: number }[] };
}

interface Endpoints extends KubeObject {
  subsets?: { addresses?: { ip: string }[]; ports?: { name?: string; port: number }[] }[];
}

async function servicePlace(
  core: Core,
  resource: Resource,
  namespace: string,
  target: ProxyTarget,
): Promise<Place> {
  const service = await resource.store.get<Service>(namespace, target.name);
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
  const endpoints = await core.registry
    .of("v1", "endpoints")
    .store.find<Endpoints>(namespace, target.name);
  for (const subset of endpoints?.subsets ?? []) {
    const port = (subset.ports ?? []).find((each) => (each.name ?? "") === (wanted.name ?? ""));
    const addresses = subset.addresses ?? [];
    if (port === undefined || addresses.length === 0) continue;
    const pick = addresses[Math.floor(core.random.next() * addresses.length)]!;
    return { host: reachable(pick.ip), port: port.port, agent: undefined };
  }
  throw serviceUnavailable(`no endpoints available for service ${JSON.stringify(target.name)}`);
}

/**
 * Endpoints are written by users: they must not lead to this machine's own loopback (CVE-2020-8561
 * kind).
 */
function reachable(host: string): string {
  if (isIP(host) === 0) throw badRequest(`address ${JSON.stringify(host)} is no IP address`);
  const range = ipaddr.process(host).range();
  if (range === "loopback" || range === "linkLocal" || range === "unspecified") {
    throw badRequest("address not allowed");
  }
  return host;
}
