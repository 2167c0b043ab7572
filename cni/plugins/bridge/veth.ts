import { randomBytes } from "node:crypto";
import { isErrno } from "@raft2kube/std/errors.ts";
import { addAddress, deleteAddress, listAddresses } from "@raft2kube/linux/address.ts";
import {
  createBridge, createVeth, deleteLink, findLink, getLink, type Link, openRoute, setBridgePort,
  setLink,
} from "@raft2kube/linux/link.ts";
import type { NetlinkSocket } from "@raft2kube/linux/netlink.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { addRoute } from "@raft2kube/linux/route.ts";
import { writeSysctl } from "@raft2kube/linux/sysctl.ts";
import { CniError } from "../../lib/errors.ts";
import { disableRouteLearning } from "../../lib/route-learning.ts";
import { type BridgeConfig, familyOf } from "./config.ts";
import { type AddressPlan, gatewayOf } from "./plan.ts";

/** Returns a random locally administered unicast address (IEEE 802: bit 1 set, bit 0 clear). */
function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfe) | 0x02;
  return bytes.toString("hex").replace(/..(?!$)/g, "$&:");
}

/** Creates the bridge if missing and sets it up. Error 7 if the name is another kind of link. */
export function ensureBridge(route: NetlinkSocket, config: BridgeConfig): Link {
  const { bridge: name, mtu, promiscuous } = config;
  const size = mtu === undefined ? {} : { mtu };
  if (!findLink(route, name)) {
    try {
      // A bridge without a fixed address changes it when ports are added and removed.
      createBridge(route, { name, mac: randomMac(), ...size });
    } catch (thrown) {
      if (!isErrno(thrown, "EEXIST")) throw thrown; // created by a concurrent ADD
    }
  }
  const link = getLink(route, name);
  if (link.kind !== "bridge") {
    const what = `link ${name} is of kind ${link.kind || "device"}, not a bridge`;
    throw new CniError("invalid-config", what);
  }
  disableRouteLearning(name);
  if (!link.up || (promiscuous && !link.promiscuous)) {
    setLink(route, link, { up: true, ...(promiscuous ? { promiscuous } : {}) });
  }
  return getLink(route, name);
}

/** The two ends of the veth pair. */
export interface Ends {
  host: Link;
  container: Link;
}

/** Connects the container to the bridge by a veth pair. The container end stays down. */
export function connect(
  route: NetlinkSocket,
  bridge: Link,
  config: BridgeConfig,
  inside: { netns: string; ifName: string },
): Ends {
  const { netns, ifName } = inside;
  const size = config.mtu === undefined ? {} : { mtu: config.mtu };
  const hostName = `veth${randomBytes(4).toString("hex")}`;
  const mac = config.mac === undefined ? {} : { mac: config.mac };
  if (findLinkIn(netns, ifName)) {
    // Not deleted: an earlier ADD of this container may have created it.
    throw new CniError("invalid-environment", `${netns} has a link ${ifName} already`);
  }
  createVeth(
    route,
    { name: hostName, master: bridge.index, ...size },
    { name: ifName, netns, ...size, ...mac },
  );
  try {
    const host = getLink(route, hostName);
    // Frames to 01:80:c2:00:00:0X may be delivered to the port itself (IEEE 802.1D, table 7-10).
    disableRouteLearning(hostName);
    setLink(route, host, { up: true });
    if (config.hairpin || config.isolated) {
      setBridgePort(route, host, { hairpin: config.hairpin, isolated: config.isolated });
    }
    return { host, container: linkIn(netns, ifName) };
  } catch (thrown) {
    disconnect(netns, ifName);
    throw thrown;
  }
}

function findLinkIn(netns: string, name: string): Link | undefined {
  return inNetns(netns, () => {
    using route = openRoute();
    return findLink(route, name);
  });
}

export function linkIn(netns: string, name: string): Link {
  return inNetns(netns, () => {
    using route = openRoute();
    return getLink(route, name);
  });
}

/** Adds addresses and routes to the container end, and sets it up. */
export function configureInside(netns: string, ifName: string, plan: AddressPlan): void {
  inNetns(netns, () => {
    using route = openRoute();
    const { index } = getLink(route, ifName);
    disableRouteLearning(ifName);
    // Announces the address when the link comes up, for neighbours that know another MAC.
    writeSysctl(`net/ipv4/conf/${ifName}/arp_notify`, 1);
    setLink(route, { index }, { up: true });
    for (const { address } of plan.ips) addAddress(route, index, address);
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
}

/**
 * Makes the bridge the gateway: its addresses, and forwarding. Error 7 when it has another address
 * of the same family and subnet size is no reason to take it off (`forceAddress` is one).
 */
export function ensureGateway(
  route: NetlinkSocket,
  bridge: Link,
  gateways: readonly string[],
  force: boolean,
): void {
  const present = listAddresses(route, bridge.index)
    .map(({ cidr }) => cidr)
    .filter((cidr) => !cidr.startsWith("fe80:"));
  for (const cidr of gateways) {
    if (present.includes(cidr)) continue;
    const family = familyOf(cidr);
    // IPv6 links may have several addresses.
    const other = family === 4 ? present.find((address) => familyOf(address) === 4) : undefined;
    if (other !== undefined && !force) {
      const what = `bridge ${bridge.name} has the address ${other}, the gateway is ${cidr}`;
      throw new CniError("invalid-config", what, { remedy: "set forceAddress, or another bridge" });
    }
    if (other !== undefined) deleteAddress(route, bridge.index, other);
    addAddress(route, bridge.index, cidr);
  }
  for (const family of new Set(gateways.map(familyOf))) {
    const name = family === 4 ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
    writeSysctl(name, 1);
  }
}

/**
 * Deletes the container end and with it the host end. Ignores a missing link or namespace.
 */
export function disconnect(netns: string, ifName: string): void {
  try {
    inNetns(netns, () => {
      using route = openRoute();
      deleteLink(route, ifName);
    });
  } catch (thrown) {
    // ENOENT: no such file; EINVAL: the file does not pin a namespace.
    if (!isErrno(thrown, "ENOENT", "EINVAL")) throw thrown;
  }
}
