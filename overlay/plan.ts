import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { formatIp, formatSubnet, lastOf, type Subnet } from "@raft2kube/cni/lib/ip.ts";
import { hasAddress, includes, ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { unreachable } from "@raft2kube/std/assert.ts";
import { OverlayError } from "./errors.ts";
import { type Lease, publishedBy } from "./lease.ts";
import type { NetConf, VxlanBackend } from "./net-conf.ts";

/**
 * Bytes that VXLAN adds to a packet: Ethernet 14, VXLAN 8, UDP 8, IPv4 20 (RFC 7348, section 5).
 */
const VXLAN_OVERHEAD_BYTES = 50;

/** The datagram size that every IPv4 host has to accept (RFC 791): a smaller MTU is a mistake. */
const MTU_MIN = 576;

/** Bytes that the UDP back end adds to a packet: UDP 8, IPv4 20. */
const UDP_OVERHEAD_BYTES = 28;

/** flannel's name of that link. */
const TUNNEL_NAME = "flannel0";

/** The link by which this node reaches the others. */
export interface Underlay {
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** The address that this node sends from. */
  readonly address: string;
  /** Destinations that it reaches without a gateway, in CIDR notation. */
  readonly connected: readonly string[];
}

/** The VXLAN link of this node. */
export interface Device {
  readonly name: string;
  readonly vni: number;
  readonly port: number;
  readonly mac: string;
  readonly mtu: number;
  readonly local: string;
  /** Index of the underlay. */
  readonly underlay: number;
  /** The source of packets of the node itself to others' pods: its range's first, as /32. */
  readonly address: string;
  readonly checksumOffload: boolean;
}

/** The link whose packets this process carries, with the UDP back end. */
export interface Tunnel {
  readonly name: string;
  readonly mtu: number;
  /** Address of the VXLAN link. */
  readonly address: string;
  readonly local: string;
  readonly port: number;
  /** Which node's address has which range. */
  readonly peers: readonly { readonly range: Subnet; readonly address: string }[];
}

/** A route to another node's pods. */
export interface PeerRoute {
  readonly to: string;
  /** None by a tunnel. */
  readonly via?: string;
  /** The link of the route: the VXLAN link, where `via` is on link; the tunnel; or the underlay. */
  readonly by: "device" | "underlay";
}

/** A hardware address and the IP address that it belongs to. */
export type MacOf = { readonly address: string; readonly mac: string };

/** Encapsulated packets: to which UDP port they come, and from which nodes. */
export type Encapsulation = { readonly port: number; readonly nodes: readonly string[] };

/** A node, and the range of the overlay whose addresses its encapsulated packets may come from. */
export type Sources = { readonly node: string; readonly range: Subnet };

/** All that this node's kernel has to hold. */
export interface OverlayPlan {
  readonly device: Device | undefined;
  readonly tunnel: Tunnel | undefined;
  /** MTU of the pods' links. */
  readonly mtu: number;
  readonly routes: readonly PeerRoute[];
  /** Gateways of the routes by the device. */
  readonly neighbours: readonly MacOf[];
  /** Forwarding entries: to which node's address frames for a hardware address are sent. */
  readonly forwarding: readonly MacOf[];
  readonly encapsulation: Encapsulation | undefined;
  /** Sources by VXLAN; the tunnel's process looks at its own. */
  readonly sources?: readonly Sources[];
  /** The other nodes that were left out, each with the reason. */
  readonly problems: readonly string[];
}

/** This node, and its view of the others. */
export interface PlanInput {
  readonly conf: NetConf;
  readonly nodeName: string;
  readonly subnet: Subnet;
  /** Hardware address of this node's VXLAN link. */
  readonly mac: string;
  readonly underlay: Underlay;
  readonly nodes: readonly Node[];
  /** No node's address is in these: the host's, Services'. */
  readonly reserved?: readonly Subnet[];
}

/** The name of the VXLAN link, which is flannel's: either takes over the other's. */
export const deviceName = (backend: VxlanBackend): string => `flannel.${backend.vni}`;

/**
 * Plans links, routes, neighbours and forwarding entries of this node. A node whose annotations are
 * not usable is left out with a problem, and changes nothing for the others. OverlayError when this
 * node's own part cannot be.
 */
export function planOverlay(input: PlanInput): OverlayPlan {
  const { conf, underlay } = input;
  const { peers, problems } = peersOf(input);
  const { backend } = conf;
  const nodes = peers.map(({ publicIp }) => publicIp);
  switch (backend.type) {
    case "host-gw": {
      const routes = peers.filter((peer) => isConnected(underlay, peer, problems)).map(direct);
      return { ...NOTHING, mtu: underlay.mtu, routes, problems };
    }
    case "udp": {
      const mtu = podMtu(underlay, underlay.mtu, UDP_OVERHEAD_BYTES);
      const tunnel = {
        name: TUNNEL_NAME,
        mtu,
        address: `${firstOf(input.subnet)}/32`,
        local: underlay.address,
        port: backend.port,
        peers: peers.map(({ subnet, publicIp }) => ({ range: subnet, address: publicIp })),
      };
      const routes = peers.map(({ subnet }) => ({
        to: formatSubnet(subnet),
        by: "device" as const,
      }));
      const encapsulation = { port: backend.port, nodes };
      return { ...NOTHING, tunnel, mtu, routes, encapsulation, problems };
    }
    case "vxlan": {
      const sources = peers.map(({ publicIp, subnet }) => ({ node: publicIp, range: subnet }));
      return { ...planVxlan(input, backend, peers, problems), sources };
    }
    default:
      return unreachable(backend, "back end");
  }
}

/**
 * One link for all others; for each of them a route to its range by the first address of it, whose
 * hardware address is that of the peer's link, and by which node's address that is reached. With
 * direct routing a peer on the underlay's subnet has a route by its own address instead.
 */
function planVxlan(
  input: PlanInput,
  backend: VxlanBackend,
  peers: readonly Lease[],
  problems: readonly string[],
): OverlayPlan {
  // lab:13 begin vxlan
  const { underlay } = input;
  const isDirect = (peer: Lease) => backend.directRouting && isConnected(underlay, peer);
  const tunnelled = peers.filter((peer) => !isDirect(peer));
  const device = deviceOf(input, backend);
  return {
    device,
    tunnel: undefined,
    mtu: device.mtu,
    routes: [
      ...peers.filter(isDirect).map(direct),
      ...tunnelled.map((peer) => ({
        to: formatSubnet(peer.subnet),
        via: firstOf(peer.subnet),
        by: "device" as const,
      })),
    ],
    neighbours: tunnelled.map((peer) => ({ address: firstOf(peer.subnet), mac: macOf(peer) })),
    forwarding: tunnelled.map((peer) => ({ address: peer.publicIp, mac: macOf(peer) })),
    encapsulation: { port: backend.port, nodes: peers.map(({ publicIp }) => publicIp) },
    problems,
  };
  // lab:13 end
}

const NOTHING = {
  device: undefined,
  tunnel: undefined,
  neighbours: [],
  forwarding: [],
  encapsulation: undefined,
} as const;

/** Returns the MTU that is left for pods. */
function podMtu({ name }: Underlay, mtu: number, overhead: number): number {
  // lab:13 begin pod-mtu
  if (mtu - overhead >= MTU_MIN) return mtu - overhead;
  const what = `${mtu} bytes of ${name} leave ${mtu - overhead} for pods`;
  const remedy = `give ${name} an MTU of ${MTU_MIN + overhead} or more`;
  throw new OverlayError("mtu-too-small", `${what}, at least ${MTU_MIN} are needed`, { remedy });
  // lab:13 end
}

function deviceOf({ subnet, mac, underlay }: PlanInput, backend: VxlanBackend): Device {
  const { mtu = underlay.mtu } = backend;
  if (mtu > underlay.mtu) {
    const what = `Backend.MTU ${mtu} is more than the MTU ${underlay.mtu} of ${underlay.name}`;
    const remedy = "lower Backend.MTU of net-conf.json, or leave it out";
    throw new OverlayError("mtu-too-large", what, { remedy });
  }
  return {
    name: deviceName(backend),
    vni: backend.vni,
    port: backend.port,
    mac,
    mtu: podMtu(underlay, mtu, VXLAN_OVERHEAD_BYTES),
    local: underlay.address,
    underlay: underlay.index,
    address: `${firstOf(subnet)}/32`,
    checksumOffload: backend.checksumOffload,
  };
}

const firstOf = ({ family, network }: Subnet) => formatIp({ family, value: network });
const macOf = (peer: Lease) => peer.vtep?.mac ?? "";
const direct = (peer: Lease) => ({
  to: formatSubnet(peer.subnet),
  via: peer.publicIp,
  by: "underlay" as const,
});

/** Whether the node is reached without a gateway; appends a problem when it is not. */
function isConnected(underlay: Underlay, peer: Lease, problems?: string[]): boolean {
  const reached = underlay.connected.some((range) => {
    const subnet = ipv4Subnet(range);
    return subnet !== undefined && hasAddress(subnet, peer.publicIp);
  });
  if (!reached) {
    problems?.push(
      `Node ${peer.node}: ${peer.publicIp} is not on a subnet of ${underlay.name}, which host-gw ` +
        "needs: use vxlan",
    );
  }
  return reached;
}

/**
 * The other nodes that can be used. Of two with something in common, the one that has existed
 * longer stays, so that a new Node cannot take over another's range, address or link.
 */
function peersOf(input: PlanInput): { peers: Lease[]; problems: string[] } {
  const { conf, nodeName, underlay, mac, subnet, reserved = [] } = input;
  const problems: string[] = [];
  const peers: Lease[] = [];
  const taken = [claim(nodeName, subnet, underlay.address, mac)];
  for (const node of [...input.nodes].sort(byAge)) {
    if (node.metadata.name === nodeName) continue;
    const published = publishedBy(node);
    if (published.kind === "nothing") continue;
    if (published.kind === "garbage") {
      problems.push(published.problem);
      continue;
    }
    const { lease } = published;
    const own = claim(lease.node, lease.subnet, lease.publicIp, lease.vtep?.mac);
    const problem = unusable(lease, conf, reserved) ?? conflict(own, taken);
    if (problem !== undefined) {
      problems.push(`Node ${lease.node}: ${problem}`);
      continue;
    }
    peers.push(lease);
    taken.push(own);
  }
  return { peers, problems };
}

/** Why a lease is not usable by itself. */
function unusable(
  { backend, subnet, publicIp, vtep }: Lease,
  conf: NetConf,
  reserved: readonly Subnet[],
): string | undefined {
  const network = formatSubnet(conf.network);
  // flanneld's UDP back end publishes its lease without a type.
  if ((backend || "udp") !== conf.backend.type) {
    return `its back end is ${JSON.stringify(backend.slice(0, 40))}, not ${conf.backend.type}`;
  }
  if (conf.backend.type === "vxlan" && vtep?.vni !== undefined && vtep.vni !== conf.backend.vni) {
    return `its VNI is ${vtep.vni}, not ${conf.backend.vni}`;
  }
  if (!includes(conf.network, subnet)) {
    return `podCIDR ${formatSubnet(subnet)} is not in the overlay's Network ${network}`;
  }
  if (hasAddress(conf.network, publicIp)) {
    return `public-ip ${publicIp} is in the overlay's Network ${network}`;
  }
  const range = reserved.find((one) => hasAddress(one, publicIp));
  if (range) return `public-ip ${publicIp} is in ${formatSubnet(range)}, where no node is`;
  return undefined;
}

/**
 * The address and range that no two nodes may share; the range as numbers, which are compared
 * often.
 */
interface Claim {
  node: string;
  range: string;
  first: number;
  last: number;
  publicIp: string;
  mac: string | undefined;
}

function claim(node: string, subnet: Subnet, publicIp: string, mac: string | undefined): Claim {
  const [first, last] = [Number(subnet.network), Number(lastOf(subnet))];
  return { node, range: formatSubnet(subnet), first, last, publicIp, mac };
}

/**
 * Why a claim cannot be had beside those taken: a range that overlaps, the same address, or the
 * same hardware address, if there is one.
 */
function conflict(own: Claim, taken: readonly Claim[]): string | undefined {
  // lab:13 begin conflict
  for (const other of taken) {
    if (own.first <= other.last && other.first <= own.last) {
      return `podCIDR ${own.range} overlaps ${other.range} of Node ${other.node}`;
    }
    if (own.publicIp === other.publicIp) {
      return `public-ip ${own.publicIp} is that of Node ${other.node}`;
    }
    if (own.mac !== undefined && own.mac === other.mac) {
      return `VtepMAC ${own.mac} is that of Node ${other.node}`;
    }
  }
  return undefined;
  // lab:13 end
}

function byAge(one: Node, other: Node): number {
  const [a, b] = [one, other].map(({ metadata }) =>
    [metadata.creationTimestamp ?? "", metadata.name ?? ""].join(" "),
  );
  return a! < b! ? -1 : a! > b! ? 1 : 0;
}
