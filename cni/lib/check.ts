import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { findLink, type Link, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listAllRoutes, MAIN_TABLE } from "@raft2kube/linux/netlink/route.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { CniError } from "./errors.ts";
import { formatSubnet, parseSubnet } from "./ip.ts";
import type { CniResult } from "./types.ts";
import type { ContainerInterface } from "./veth.ts";

/** The error of CHECK, 102. */
export const checkFailed = (why: string) => new CniError("check-failed", why);

/** The kernel's state of the container's interface. */
interface ContainerEnd {
  link: Link | undefined;
  addresses: string[];
  /** Destinations, with the table that each is in. */
  routes: { to: string; table: number }[];
}

function readContainerEnd({ netns, ifName }: ContainerInterface): ContainerEnd {
  return inNetns(netns, () => {
    using route = openRoute();
    const link = findLink(route, ifName);
    if (!link) return { link, addresses: [], routes: [] };
    return {
      link,
      addresses: listAddresses(route, link.index).map(({ cidr }) => cidr),
      routes: [...listAllRoutes(route, 4), ...listAllRoutes(route, 6)].map(
        ({ to, table = MAIN_TABLE }) => ({ to, table }),
      ),
    };
  });
}

/**
 * Compares the container's interface, the one of its name whose sandbox is `at.netns`, with the
 * result of ADD and returns it. Error 102 names the first difference; a link that is down is one.
 * A route is looked for in its own table, by default the main one.
 */
export function checkInside(at: ContainerInterface, result: CniResult): Link {
  // lab:12 begin check-inside
  const own = result.interfaces?.find(
    ({ name, sandbox }) => sandbox === at.netns && name === at.ifName,
  );
  if (!own) throw checkFailed(`prevResult has no interface ${at.ifName} in ${at.netns}`);
  const { link, addresses, routes } = containerEndOf(at);
  if (!link) throw checkFailed(`there is no link ${at.ifName} in ${at.netns}`);
  if (!link.up) throw checkFailed(`${at.ifName} in ${at.netns} is down`);
  if (own.mac && own.mac !== link.mac) {
    const what = `${at.ifName} in ${at.netns} has the MAC address ${link.mac}`;
    throw checkFailed(`${what}, not ${own.mac}`);
  }
  const index = result.interfaces?.indexOf(own);
  for (const ip of result.ips ?? []) {
    if (ip.interface !== undefined && ip.interface !== index) continue;
    if (addresses.includes(ip.address)) continue;
    throw checkFailed(`${at.ifName} lost its address ${ip.address}`);
  }
  for (const { dst, table = MAIN_TABLE } of result.routes ?? []) {
    const to = formatSubnet(parseSubnet(dst, "route"));
    if (routes.some((route) => route.to === to && route.table === table)) continue;
    throw checkFailed(`${at.netns} lost its route to ${to}`);
  }
  return link;
  // lab:12 end
}

function containerEndOf(at: ContainerInterface): ContainerEnd {
  try {
    return readContainerEnd(at);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "EINVAL")) throw checkFailed(`${at.netns} is gone`);
    throw thrown;
  }
}

/** Returns the host's end of the container's interface, one of the result's; error 102 without. */
export function checkHostEnd(result: CniResult, container: Link): Link {
  using route = openRoute();
  const names = result.interfaces?.filter(({ sandbox }) => !sandbox).map(({ name }) => name) ?? [];
  const ends = names.map((name) => findLink(route, name)).filter((link) => link?.kind === "veth");
  const end = ends.find((link) => link?.index === container.peer);
  if (!end) throw checkFailed(`the host's end of ${container.name} is not there`);
  return end;
}
