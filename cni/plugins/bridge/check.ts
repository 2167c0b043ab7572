import { isErrno } from "@raft2kube/std/errors.ts";
import { listAddresses } from "@raft2kube/linux/address.ts";
import { findLink, type Link, openRoute } from "@raft2kube/linux/link.ts";
import { inNetns } from "@raft2kube/linux/netns.ts";
import { listRoutes } from "@raft2kube/linux/route.ts";
import { CniError } from "../../lib/errors.ts";
import { formatSubnet, parseSubnet } from "../../lib/ip.ts";
import type { CniResult } from "../../lib/types.ts";
import type { BridgeConfig } from "./config.ts";

/** The kernel's state of the container's interface. */
interface ContainerEnd {
  link: Link | undefined;
  addresses: string[];
  routes: string[];
}

function readContainerEnd(netns: string, ifName: string): ContainerEnd {
  return inNetns(netns, () => {
    using route = openRoute();
    const link = findLink(route, ifName);
    if (!link) return { link, addresses: [], routes: [] };
    return {
      link,
      addresses: listAddresses(route, link.index).map(({ cidr }) => cidr),
      routes: [...listRoutes(route, 4), ...listRoutes(route, 6)].map(({ to }) => to),
    };
  });
}

/** Compares the kernel's state with the result of ADD; error 102 names the first difference. */
export function checkVeth(
  config: BridgeConfig,
  at: { netns: string; ifName: string },
  result: CniResult,
): void {
  const failed = (why: string) => new CniError("check-failed", why);
  using route = openRoute();
  const bridge = findLink(route, config.bridge);
  if (bridge?.kind !== "bridge") throw failed(`there is no bridge ${config.bridge}`);
  if (!bridge.up) throw failed(`bridge ${config.bridge} is down`);
  const own = result.interfaces?.find(
    ({ name, sandbox }) => sandbox === at.netns && name === at.ifName,
  );
  if (!own) throw failed(`prevResult has no interface ${at.ifName} in ${at.netns}`);
  const { link, addresses, routes } = containerEndOr(at, failed);
  if (!link) throw failed(`there is no link ${at.ifName} in ${at.netns}`);
  if (!link.up) throw failed(`${at.ifName} in ${at.netns} is down`);
  if (own.mac && own.mac !== link.mac) {
    throw failed(`${at.ifName} in ${at.netns} has the MAC address ${link.mac}, not ${own.mac}`);
  }
  const index = result.interfaces?.indexOf(own);
  for (const ip of result.ips ?? []) {
    if (ip.interface !== undefined && ip.interface !== index) continue;
    if (addresses.includes(ip.address)) continue;
    throw failed(`${at.ifName} lost its address ${ip.address}`);
  }
  for (const { dst } of result.routes ?? []) {
    const to = formatSubnet(parseSubnet(dst, "route"));
    if (!routes.includes(to)) throw failed(`${at.netns} lost its route to ${to}`);
  }
  checkHostEnd(result, bridge, link, failed);
}

function containerEndOr(
  at: { netns: string; ifName: string },
  failed: (why: string) => CniError,
): ContainerEnd {
  try {
    return readContainerEnd(at.netns, at.ifName);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", "EINVAL")) throw failed(`${at.netns} is gone`);
    throw thrown;
  }
}

function checkHostEnd(
  result: CniResult,
  bridge: Link,
  container: Link,
  failed: (why: string) => CniError,
): void {
  using route = openRoute();
  const names = result.interfaces?.filter(({ sandbox }) => !sandbox).map(({ name }) => name) ?? [];
  const ends = names.map((name) => findLink(route, name)).filter((link) => link?.kind === "veth");
  const end = ends.find((link) => link?.index === container.peer);
  if (!end) throw failed(`the host's end of ${container.name} is not there`);
  if (end.master !== bridge.index) throw failed(`${end.name} is no port of bridge ${bridge.name}`);
}
