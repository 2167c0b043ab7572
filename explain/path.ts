import type { Node, Pod, Service } from "@raft2kube/api/gen/core/v1.ts";
import { portsOf, readyEndpoints } from "./service.ts";

/** Endpoints that are shown; a Service may have thousands. */
const ENDPOINTS_SHOWN = 5;
/** The back end of the overlay that leads to a node, which flannel and `r2k overlay` write. */
const OVERLAY = "flannel.alpha.coreos.com/backend-type";

type Slices = Parameters<typeof readyEndpoints>[0];
/** The node `from` which a packet starts, among all. */
type Start = { readonly from: string; readonly nodes: readonly Node[] };

const step = (where: string, what: string) => ({ where, what });
const leaving = ({ from }: Start) => step(from, "a pod's eth0, its veth pair, the node's bridge");

/** The way of a packet to a pod, and the addresses by which the node's rules for it are found. */
export function pathToPod(start: Start, { metadata, spec, status }: Pod) {
  const address = status?.podIP;
  if (!address) return { steps: [step("pod", "it has no address yet")], addresses: [] };
  const last = arrival(start, `${metadata.name} at ${address}`, address, spec.nodeName);
  return { steps: [leaving(start), ...last], addresses: [address] };
}

/** The same for a Service, with its slices: names, rules, overlay, bridge. */
export function pathToService(start: Start, { metadata, spec }: Service, slices: Slices) {
  const { clusterIP = "", externalName, type } = spec;
  const domain = `${metadata.name}.${metadata.namespace}.svc.cluster.local`;
  if (type === "ExternalName") {
    const what = `${domain} is an alias of ${externalName}: the packet leaves the cluster`;
    return { steps: [step("DNS", what)], addresses: [] };
  }
  const endpoints = readyEndpoints(slices);
  const count = endpoints.length;
  const isHeadless = clusterIP === "None" || clusterIP === "";
  const answer = isHeadless ? `the addresses of its ${count} ready pods` : clusterIP;
  const steps = [step("DNS", `${domain} is ${answer}`), leaving(start)];
  if (!isHeadless) {
    const taken = `one of ${count} endpoints takes its place`;
    const fate = count === 0 ? "refused, for no endpoint is ready" : taken;
    steps.push(step(`rules of ${start.from}`, `${clusterIP} port ${portsOf(spec)}: ${fate}`));
  }
  const shown = endpoints.slice(0, ENDPOINTS_SHOWN);
  for (const { addresses, nodeName, targetRef, ports: own } of shown) {
    const [address = ""] = addresses;
    const at = own.map(({ port }) => port).join(", ");
    const name = targetRef?.name ?? "an address without a pod";
    const to = `${name} at ${address}${at && ` port ${at}`}`;
    steps.push(...arrival(start, to, address, nodeName));
  }
  if (count > shown.length) steps.push(step("endpoints", `and ${count - shown.length} more`));
  const addresses = shown.map((each) => each.addresses[0] ?? "");
  return { steps, addresses: isHeadless ? addresses : [clusterIP, ...addresses] };
}

/** The last steps: by the bridge on the same node, else over to the node of the pod. */
function arrival({ from, nodes }: Start, to: string, address: string, nodeName?: string) {
  if (nodeName === undefined) return [step("network", `routed to ${to}`)];
  if (nodeName === from) return [step(from, `by the bridge to ${to}`)];
  const node = nodes.find(({ metadata }) => metadata.name === nodeName);
  const nodeAddress = node?.status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  const over = `over to ${nodeName} (${nodeAddress ?? "its address is not known"})`;
  // The overlay is of IPv4 alone.
  const backend = address.includes(":") ? undefined : node?.metadata.annotations?.[OVERLAY];
  const by = backend ? ` by the overlay: ${backend}` : "";
  return [
    step("between nodes", `the route of ${node?.spec?.podCIDR ?? address} ${over}${by}`),
    step(nodeName, `by its bridge to ${to}`),
  ];
}
