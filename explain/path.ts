import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { readyEndpoints } from "./service.ts";

/** One step of a packet's way. */
export type Step = { readonly where: string; readonly what: string };

/** A packet's way from a pod of a node to a Service or a pod. */
export interface Path {
  readonly steps: readonly Step[];
  /** Addresses by which the node's rules for it are found. */
  readonly addresses: readonly string[];
}

/** Endpoints that are shown; a Service may have thousands. */
const ENDPOINTS_SHOWN = 5;

export interface PathFacts {
  /** The node that the packet starts on. */
  readonly from: string;
  readonly nodes: readonly Node[];
  readonly service?: Service;
  readonly slices: readonly EndpointSlice[];
  /** The pod that is sent to, where it is not a Service. */
  readonly pod?: Pod;
}

/** The way of a packet: names, rules, overlay, bridge. */
export const pathOf = (facts: PathFacts): Path =>
  facts.pod ? pathToPod(facts, facts.pod) : pathToService(facts, facts.service!);

function pathToPod(facts: PathFacts, { metadata, spec, status }: Pod): Path {
  const { podIP = "" } = status ?? {};
  if (podIP === "")
    return { steps: [{ where: "pod", what: "it has no address yet" }], addresses: [] };
  const last = arrival(facts, spec.nodeName, `${metadata.name} at ${podIP}`, podIP);
  return { steps: [leaving(facts), ...last], addresses: [podIP] };
}

function pathToService(facts: PathFacts, { metadata, spec }: Service): Path {
  const { clusterIP = "", ports = [], externalName, type } = spec;
  const domain = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
  if (type === "ExternalName") {
    const what = `${domain} is an alias of ${externalName}: the packet leaves the cluster`;
    return { steps: [{ where: "DNS", what }], addresses: [] };
  }
  const endpoints = readyEndpoints(facts.slices);
  const headless = clusterIP === "None" || clusterIP === "";
  const count = endpoints.length;
  const answer = headless ? `the addresses of its ${count} ready pods` : clusterIP;
  const steps = [{ where: "DNS", what: `${domain} is ${answer}` }, leaving(facts)];
  if (!headless) {
    const listed = ports.map(({ port, protocol = "TCP" }) => `${port}/${protocol}`).join(", ");
    const taken = `one of ${count} endpoints takes its place`;
    const fate = count === 0 ? "refused, for no endpoint is ready" : taken;
    steps.push({ where: `rules of ${facts.from}`, what: `${clusterIP} port ${listed}: ${fate}` });
  }
  const found = headless ? [] : [clusterIP];
  for (const { addresses, nodeName, targetRef, ports: own } of endpoints.slice(
    0,
    ENDPOINTS_SHOWN,
  )) {
    const [address = ""] = addresses;
    const at = own.map(({ port }) => port).join(", ");
    const to = `${targetRef?.name ?? "an address without a pod"} at ${address}${at && ` port ${at}`}`;
    steps.push(...arrival(facts, nodeName, to, address));
    found.push(address);
  }
  const rest = count - ENDPOINTS_SHOWN;
  if (rest > 0) steps.push({ where: "endpoints", what: `and ${rest} more` });
  return { steps, addresses: found };
}

const leaving = ({ from }: PathFacts): Step => ({
  where: from,
  what: "a pod's eth0, its veth pair, and the node's bridge",
});

/** The last steps: by the bridge on the same node, else over to the node of the pod. */
function arrival(
  { from, nodes }: PathFacts,
  nodeName: string | undefined,
  to: string,
  address: string,
): Step[] {
  if (nodeName === undefined) return [{ where: "network", what: `routed to ${to}` }];
  if (nodeName === from) return [{ where: from, what: `by the bridge to ${to}` }];
  const node = nodes.find(({ metadata }) => metadata.name === nodeName);
  const nodeAddress = node?.status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  const range = node?.spec?.podCIDR;
  const over = `over to ${nodeName} (${nodeAddress ?? "its address is not known"})`;
  return [
    { where: "between nodes", what: `the route of ${range ?? address} ${over}` },
    { where: nodeName, what: `by its bridge to ${to}` },
  ];
}
