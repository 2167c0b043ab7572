import { type Cidr, covers, parseCidr } from "@raft2kube/api/cidr.ts";
import { isOwnLoadBalancer } from "@raft2kube/api/core/v1/service/load-balancer.ts";
import type { Node as CoreNode, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { ServiceCIDR } from "@raft2kube/api/gen/networking/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import ipaddr from "ipaddr.js";
import { NODE_ADDRESS_KEPT_MS, NODE_ADDRESSES_MAX } from "../../limits.ts";
import { nodeRefusal } from "../plugin.ts";
import type { NodeCheck } from "./node-check.ts";

type Node = CoreNode & KubeObject;

/** Annotations with the address to which a flannel-like overlay sends packets for pods. */
const PUBLIC_IPS = ["public-ip", "public-ipv6"].map((name) => `flannel.alpha.coreos.com/${name}`);
const BACKEND_DATA = "flannel.alpha.coreos.com/backend-data";

/**
 * Throws 403 if a node takes an address by which it would get the packets of others, or keep them
 * from getting theirs: of another Node that is Ready, or was NODE_ADDRESS_KEPT_MS ago, of pods, of
 * Services or their load balancers. Not upstream's, whose nodes may report any.
 */
export const checkAddresses: NodeCheck = async (request, node, { resources, clock }) => {
  const { status } = request.object as Node;
  const before = (request.old as Node | undefined)?.status?.addresses?.length ?? 0;
  const count = status?.addresses?.length ?? 0;
  if (count > Math.max(before, NODE_ADDRESSES_MAX)) {
    const why = `is not allowed to have more than ${NODE_ADDRESSES_MAX} addresses`;
    throw nodeRefusal(request, node, why);
  }
  const known = new Set(addressesOf(request.old as Node | undefined));
  const added = addressesOf(request.object as Node).filter((each) => !known.has(each));
  if (added.length === 0) return;
  const refuse = (address: string, whose: string) => {
    return nodeRefusal(request, node, `is not allowed to have the address ${address} of ${whose}`);
  };
  const listed = async <T extends KubeObject>(group: string, plural: string) =>
    (await resources.of(group, plural).cache()).list().map((entry) => entry.shared<T>());
  const hosts = added.map((address) => [address, hostOf(address)] as const);
  const inside = (ranges: readonly string[] = []): string | undefined => {
    const networks = ranges.flatMap((range) => parseCidr(range) ?? []);
    const found = hosts.find(
      ([, host]) => host !== undefined && networks.some((network) => covers(network, host)),
    );
    return found?.[0];
  };
  for (const other of await listed<Node>("v1", "nodes")) {
    const { name } = other.metadata;
    const keeps = name !== node && keepsAddresses(other, clock.now());
    const theirs = new Set(keeps ? addressesOf(other) : []);
    const taken = added.find((address) => theirs.has(address));
    if (taken !== undefined) throw refuse(taken, `Node ${name}`);
    const ofPods = inside(other.spec?.podCIDRs);
    if (ofPods !== undefined) throw refuse(ofPods, `pods of Node ${name}`);
  }
  for (const { spec } of await listed<ServiceCIDR & KubeObject>(
    "networking.k8s.io/v1",
    "servicecidrs",
  )) {
    const service = inside(spec?.cidrs);
    if (service !== undefined) throw refuse(service, "Services");
  }
  const slices = new Slices();
  for (const entry of (await resources.of("v1", "services").cache()).list()) {
    if (entry.fields["spec.type"] !== "LoadBalancer") continue;
    if (slices.due) await slices.pause();
    // Not kept: tenants' Services may be a megabyte each.
    const service = entry.object<Service & KubeObject>();
    if (!isOwnLoadBalancer(service)) continue;
    const { ingress = [] } = service.status?.loadBalancer ?? {};
    const held = ingress.find(({ ip = "" }) => added.includes(canonical(ip)))?.ip;
    if (held) throw refuse(held, `Service ${entry.namespace}/${entry.name}`);
  }
};

/** Addresses of every type: without another, a Node is reached by its host name, perhaps one. */
function addressesOf(node: Node | undefined): string[] {
  const published = PUBLIC_IPS.map((name) => node?.metadata.annotations?.[name] ?? "");
  const reported = (node?.status?.addresses ?? []).map(({ address }) => address);
  const found = [...reported, ...published].map(canonical);
  return [...found, vtepMacOf(node) ?? ""].filter((each) => each !== "");
}

/** One text for each address, as resolvers read it: `012.1`, IPv4 in IPv6. "" for a name. */
function canonical(text: string): string {
  const address = text.trim();
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : "";
}

/** The hardware address of its VXLAN link: of two nodes with the same one the older has it. */
function vtepMacOf(node: Node | undefined): string | undefined {
  try {
    const data = node?.metadata.annotations?.[BACKEND_DATA] ?? "null";
    const { VtepMAC: mac } = (JSON.parse(data) ?? {}) as { VtepMAC?: unknown };
    return typeof mac === "string" ? mac.toLowerCase() : undefined;
  } catch (thrown) {
    // The overlay leaves out a node with other data.
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

/** Whether a node runs, or may be starting again: the overlay leaves out the younger of two. */
function keepsAddresses({ status }: Node, now_ms: number): boolean {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const since_ms = now_ms - Date.parse(ready?.lastTransitionTime ?? "");
  return ready?.status === "True" || since_ms < NODE_ADDRESS_KEPT_MS;
}

/** The network of one address; undefined for another text. */
function hostOf(address: string): Cidr | undefined {
  return parseCidr(`${address}/${address.includes(":") ? 128 : 32}`);
}
