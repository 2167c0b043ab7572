import { readdirSync } from "node:fs";
import { join } from "node:path";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { findLink, type Link, listLinks, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listRoutes } from "@raft2kube/linux/netlink/route.ts";
import { readSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { type Host, NETWORK } from "./host.ts";

/** The link of a namespace; undefined if there is none of this name. */
export function linkOf(netns: string, name: string): Link | undefined {
  return inNetns(netns, () => {
    using route = openRoute();
    return findLink(route, name);
  });
}

/** Names of the links in a namespace. */
export function linksIn(netns: string): string[] {
  return inNetns(netns, () => {
    using route = openRoute();
    return listLinks(route).map(({ name }) => name);
  });
}

/** The host's ends of containers' pairs. */
export function hostEnds(): string[] {
  using route = openRoute();
  const veths = listLinks(route).filter(({ kind, name }) => kind === "veth" && name !== "up0");
  return veths.map(({ name }) => name);
}

/** IPv4 addresses of a link, in the namespace of the caller. */
export function addressesOf(name: string): string[] {
  using route = openRoute();
  const link = findLink(route, name);
  const all = link ? listAddresses(route, link.index) : [];
  return all.map(({ cidr }) => cidr).filter((cidr) => cidr.includes("."));
}

/** The addresses that host-local has in its store. */
export function allocated({ dataDir }: Host): string[] {
  try {
    return readdirSync(join(dataDir, NETWORK)).filter((name) => /^\d+\./.test(name));
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return [];
    throw thrown;
  }
}

/** Returns the leftovers of containers on a host: pairs and addresses; empty when all is clean. */
export function leftovers(host: Host): string {
  return [...hostEnds().map(() => "a veth pair"), ...allocated(host)].join(", ");
}

/** The kernel's state that an ADD leads to, without names and numbers that are random. */
export function stateOf(netns: string, bridge: string): Readonly<Record<string, unknown>> {
  const inside = inNetns(netns, () => {
    using route = openRoute();
    const link = findLink(route, "eth0");
    return {
      up: link?.up,
      mtu: link?.mtu,
      addresses: addressesOf("eth0"),
      routes: listRoutes(route, 4)
        .map(({ to, via }) => (via ? `${to} via ${via}` : to))
        .sort(),
    };
  });
  using route = openRoute();
  const link = findLink(route, bridge);
  const ports = listLinks(route).filter(({ master }) => master === link?.index);
  return {
    container: inside,
    bridge: { kind: link?.kind, up: link?.up, addresses: addressesOf(bridge) },
    ports: ports.map(({ kind, up, mtu }) => ({ kind, up, mtu })),
    forwarding: readSysctl("net.ipv4.ip_forward"),
  };
}
