import { randomBytes } from "node:crypto";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import {
  createVeth,
  deleteLink,
  deleteLinkAside,
  findLink,
  getLink,
  type Link,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import type { NetlinkSocket } from "@raft2kube/linux/netlink/netlink.ts";
import { addRoute } from "@raft2kube/linux/netlink/route.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { CniError } from "./errors.ts";
import { familyOf } from "./ip.ts";
import { disableRouteLearning } from "./route-learning.ts";
import type { ResultIp, ResultRoute } from "./types.ts";

/** Scope of a route whose destination is on the link itself (RT_SCOPE_LINK). */
export const SCOPE_LINK = 253;

/** The container's interface: the path of its network namespace, and its name in there. */
export type ContainerInterface = { netns: string; ifName: string };

/** The two ends of a veth pair. */
export type VethPair = { host: Link; container: Link };

/** Settings of a new pair; undefined is the kernel's default. */
export interface PairSettings {
  /** MTU of both ends. */
  mtu: number | undefined;
  /** Hardware address of the container end. */
  mac?: string | undefined;
  /** Index of the bridge that the host end becomes a port of. */
  master?: number | undefined;
}

/**
 * Creates a veth pair whose other end is the container's interface, and sets the host end up, with
 * disableRouteLearning. The container end stays down. Error 4 if the interface exists.
 */
export function createPair(
  route: NetlinkSocket,
  at: ContainerInterface,
  settings: PairSettings,
): VethPair {
  // lab:12 begin create-pair
  if (linkExists(at)) {
    // Not deleted: an earlier ADD of this container may have created it.
    throw new CniError("invalid-environment", `${at.netns} has a link ${at.ifName} already`);
  }
  const size = settings.mtu === undefined ? {} : { mtu: settings.mtu };
  const mac = settings.mac === undefined ? {} : { mac: settings.mac };
  const master = settings.master === undefined ? {} : { master: settings.master };
  const name = `veth${randomBytes(4).toString("hex")}`;
  createVeth(
    route,
    { name, ...master, ...size },
    { name: at.ifName, netns: at.netns, ...size, ...mac },
  );
  try {
    const host = getLink(route, name);
    // Frames to 01:80:c2:00:00:0X may be delivered to a bridge's port itself (IEEE 802.1D, table
    // 7-10), and all frames to an end that is no port.
    disableRouteLearning(name);
    setLink(route, host, { up: true });
    return { host, container: linkIn(at.netns, at.ifName) };
  } catch (thrown) {
    deleteLink(route, name);
    throw thrown;
  }
  // lab:12 end
}

function linkExists({ netns, ifName }: ContainerInterface): boolean {
  return inNetns(netns, () => {
    using route = openRoute();
    return findLink(route, ifName) !== undefined;
  });
}

/** Returns a link of a namespace. */
export function linkIn(netns: string, name: string): Link {
  return inNetns(netns, () => {
    using route = openRoute();
    return getLink(route, name);
  });
}

/**
 * Sets the container end up, with disableRouteLearning and arp_notify (for `announce`), then adds
 * addresses and routes. A route that exists (EEXIST) is no error. Without `connected` an address
 * adds no route to its subnet.
 */
export function configureInside(
  { netns, ifName }: ContainerInterface,
  plan: { ips: readonly ResultIp[]; routes: readonly ResultRoute[] },
  { connected = true } = {},
): void {
  // lab:12 begin configure-inside
  inNetns(netns, () => {
    using route = openRoute();
    const { index } = getLink(route, ifName);
    disableRouteLearning(ifName);
    writeSysctl(`net/ipv4/conf/${ifName}/arp_notify`, 1);
    setLink(route, { index }, { up: true });
    for (const { address } of plan.ips) addAddress(route, index, address, { connected });
    for (const to of plan.routes) {
      const via = gatewayOf(to, plan.ips);
      const { mtu, advmss, priority: metric, table, scope } = to;
      const known = Object.entries({ via, mtu, advmss, metric, table, scope });
      const given = Object.fromEntries(known.filter(([, value]) => value !== undefined));
      try {
        addRoute(route, { to: to.dst, link: index, ...given });
      } catch (thrown) {
        if (!isErrno(thrown, "EEXIST")) throw thrown; // the kernel added it with the address
      }
    }
  });
  // lab:12 end
}

/**
 * Announces the container end's IPv4 addresses by gratuitous ARP (RFC 5227, section 3), for
 * neighbours that know an address by its last owner's MAC. Needs arp_notify. Call once the host
 * end forwards: setting the container end up is announced too, but to a port that is still closed.
 */
export function announce({ netns, ifName }: ContainerInterface): void {
  inNetns(netns, () => {
    using route = openRoute();
    const { index, mac } = getLink(route, ifName);
    // The kernel announces when the MAC is set, also to the same one.
    setLink(route, { index }, { mac });
  });
}

/**
 * Returns a route's gateway, by default that of the address of the same family; none for a
 * destination on the link.
 */
export function gatewayOf(route: ResultRoute, ips: readonly ResultIp[]): string | undefined {
  if (route.gw !== undefined || route.scope === SCOPE_LINK) return route.gw;
  const family = familyOf(route.dst);
  return ips.find((ip) => familyOf(ip.address) === family && ip.gateway)?.gateway;
}

/** Lets the host forward packets of the families of these addresses. */
export function enableForwarding(addresses: readonly string[]): void {
  for (const family of new Set(addresses.map(familyOf))) {
    writeSysctl(family === 4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding", 1);
  }
}

/**
 * Deletes the container end and with it the host end. Ignores a missing link or namespace; any
 * other error is thrown: the pair may still be there.
 */
export async function deletePair(netns: string, ifName: string): Promise<void> {
  // lab:12 begin delete-pair
  try {
    using route = inNetns(netns, openRoute);
    await deleteLinkAside(route, ifName);
  } catch (thrown) {
    // ENOENT: no such file; EINVAL: the file does not pin a namespace.
    if (!isErrno(thrown, "ENOENT", "EINVAL")) throw thrown;
  }
  // lab:12 end
}
