import { createHash } from "node:crypto";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { formatSubnet, type Subnet } from "@raft2kube/cni/lib/ip.ts";
import { includes, ipv4Subnet, isUnicast } from "@raft2kube/cni/lib/subnet.ts";
import { OverlayError } from "./errors.ts";
import type { NetConf } from "./net-conf.ts";

/** Annotations of a Node, as flannel's. */
export const ANNOTATION = {
  MANAGED: "flannel.alpha.coreos.com/kube-subnet-manager",
  BACKEND: "flannel.alpha.coreos.com/backend-type",
  DATA: "flannel.alpha.coreos.com/backend-data",
  PUBLIC_IP: "flannel.alpha.coreos.com/public-ip",
  PUBLIC_IP_OVERWRITE: "flannel.alpha.coreos.com/public-ip-overwrite",
} as const;

/** A lease that another node published: its pods' range, and how to send there. */
export interface Lease {
  readonly node: string;
  readonly subnet: Subnet;
  readonly backend: string;
  readonly publicIp: string;
  /** Identity of the node's VXLAN link; undefined with another back end. */
  readonly vtep: { readonly vni: number | undefined; readonly mac: string } | undefined;
}

/** The content of a Node's annotations: nothing yet, a lease, or garbage. */
export type Published =
  | { readonly kind: "nothing" }
  | { readonly kind: "lease"; readonly lease: Lease }
  | { readonly kind: "garbage"; readonly problem: string };

/** The IPv4 range of a Node's pods. */
export function subnetOfNode({ spec }: Node): Subnet | undefined {
  const ranges = spec?.podCIDRs?.length ? spec.podCIDRs : [spec?.podCIDR];
  for (const range of ranges) {
    const subnet = ipv4Subnet(range);
    if (subnet) return subnet;
  }
  return undefined;
}

/** The range of this node's pods; OverlayError when it has none, or not one of the network. */
export function ownSubnet(node: Node, conf: NetConf): Subnet {
  const subnet = subnetOfNode(node);
  if (!subnet) {
    throw new OverlayError("no-subnet", `Node ${node.metadata.name} has no IPv4 podCIDR`, {
      remedy: "the controller manager gives one with --allocate-node-cidrs and --cluster-cidr",
    });
  }
  if (includes(conf.network, subnet)) return subnet;
  const ranges = `${formatSubnet(subnet)} is not in the overlay's Network`;
  throw new OverlayError("subnet-outside", `podCIDR ${ranges} ${formatSubnet(conf.network)}`, {
    remedy: "make Network of net-conf.json and --cluster-cidr the same range",
  });
}

/** Reads the annotations of another node, which that node can set to anything. */
export function publishedBy(node: Node): Published {
  const annotations = node.metadata.annotations ?? {};
  if (annotations[ANNOTATION.MANAGED] !== "true") return { kind: "nothing" };
  const name = node.metadata.name ?? "";
  const garbage = (problem: string): Published => ({
    kind: "garbage",
    problem: `Node ${name}: ${problem}`,
  });
  const subnet = subnetOfNode(node);
  if (!subnet) return garbage("has no IPv4 podCIDR");
  const publicIp = annotations[ANNOTATION.PUBLIC_IP];
  if (!isUnicast(publicIp)) return garbage(`public-ip ${quoted(publicIp)} is not an address`);
  const backend = annotations[ANNOTATION.BACKEND] ?? "";
  if (backend !== "vxlan") {
    const lease = { node: name, subnet, backend, publicIp, vtep: undefined };
    return { kind: "lease", lease };
  }
  const data = annotations[ANNOTATION.DATA];
  const vtep = vtepOf(data);
  if (!vtep) return garbage(`backend-data ${quoted(data)} has no VtepMAC`);
  return { kind: "lease", lease: { node: name, subnet, backend, publicIp, vtep } };
}

/** Quotes the beginning of a text that may be long, for an error. */
const quoted = (text: string | undefined): string => JSON.stringify(text?.slice(0, 80) ?? "");

function vtepOf(data: string | undefined): Lease["vtep"] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data ?? "");
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { VtepMAC: mac, VNI: vni } = parsed as { VtepMAC?: unknown; VNI?: unknown };
  if (typeof mac !== "string" || !isStationMac(mac)) return undefined;
  return { mac: mac.toLowerCase(), vni: typeof vni === "number" ? vni : undefined };
}

/**
 * Whether it is the address of one link. That of all or of a group would make the node a receiver
 * of frames for others: VXLAN floods to the entry of 00:00:00:00:00:00.
 */
function isStationMac(mac: string): boolean {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac) || /^[0:]+$/.test(mac)) return false;
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 0;
}

/** The hardware address of a node's new VXLAN link: the same each time, locally administered. */
export function vtepMac(node: string): string {
  const bytes = createHash("sha256").update(`r2k overlay ${node}`).digest().subarray(0, 6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** This node's own annotations. */
export function annotationsOf(own: {
  conf: NetConf;
  publicIp: string;
  mac: string;
}): Record<string, string> {
  const { backend } = own.conf;
  const data = backend.type === "vxlan" ? { VNI: backend.vni, VtepMAC: own.mac } : null;
  return {
    [ANNOTATION.MANAGED]: "true",
    [ANNOTATION.BACKEND]: backend.type,
    [ANNOTATION.DATA]: JSON.stringify(data),
    [ANNOTATION.PUBLIC_IP]: own.publicIp,
  };
}
