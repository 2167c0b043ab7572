import { keepNeighbours } from "@raft2kube/cni/lib/kept-neighbours.ts";
import { disableRouteLearning } from "@raft2kube/cni/lib/route-learning.ts";
import { ipv4Subnet } from "@raft2kube/cni/lib/subnet.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress, deleteAddress, listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { setTransmitChecksum } from "@raft2kube/linux/netlink/ethtool.ts";
import { deleteFdbEntry, listFdb, replaceFdbEntry } from "@raft2kube/linux/netlink/fdb.ts";
import {
  createVxlan,
  deleteLink,
  findLink,
  getLink,
  type Link,
  listLinks,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import {
  deleteNeighbour,
  listNeighbours,
  replaceNeighbour,
} from "@raft2kube/linux/netlink/neighbour.ts";
import type { NetlinkSocket } from "@raft2kube/linux/netlink/netlink.ts";
import { deleteRoute, listRoutes, replaceRoute } from "@raft2kube/linux/netlink/route.ts";
import { unreachable } from "@raft2kube/std/assert.ts";
import { asError, CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { type Change, difference, OVERLAY_PROTOCOL } from "./difference.ts";
import { OverlayError } from "./errors.ts";
import { gatewaysOf, nextHops } from "./next-hops.ts";
import type { Device, OverlayPlan, Underlay } from "./plan.ts";

/** Marks VXLAN links as ours (`ip link` shows it), for those that the plan no longer has. */
const ALIAS = "r2k overlay";

/** How the link to the other nodes is found. */
export interface UnderlayChoice {
  /** Interface of the underlay, by default that of the default route. */
  readonly iface: string | undefined;
  /** The Node's own addresses, of which one on the link is preferred. */
  readonly addresses: readonly string[];
}

/** The changes of a sync and those that failed; the others were made. */
export type Applied = { readonly changes: readonly string[]; readonly failures: readonly Error[] };

/**
 * A node's links, routes, neighbours and forwarding entries, in the network namespace at `netns` or
 * that of this thread. Each call is synchronous and opens a socket of its own.
 */
export class OverlayNetwork {
  readonly netns: string | undefined;

  constructor(netns?: string) {
    this.netns = netns;
  }

  /** Runs `fn`, which must be synchronous, in the namespace. */
  inside<T>(fn: () => T extends Promise<unknown> ? never : T): T {
    return this.netns === undefined ? (fn() as T) : inNetns<T>(this.netns, fn);
  }

  #with<T>(fn: (route: NetlinkSocket) => T): T {
    const run = (): T => {
      using route = openRoute();
      return fn(route);
    };
    return this.inside(run as () => T extends Promise<unknown> ? never : T);
  }

  /** Finds the link to the other nodes; OverlayError `no-underlay` says what is missing. */
  underlay(choice: UnderlayChoice): Underlay {
    return this.#with((route) => underlayOf(route, choice));
  }

  /** The hardware address and the index of a link; undefined when there is none. */
  find(name: string): Pick<Link, "mac" | "index"> | undefined {
    return this.#with((route) => findLink(route, name));
  }

  /**
   * Makes the kernel match the plan; a tunnel's link exists already. On the underlay the other
   * nodes, gateways and `apiServers` stay resolved. The result lists changes and failures.
   */
  apply(plan: OverlayPlan, underlay: Underlay, apiServers: readonly string[] = []): Applied {
    return this.#with((route) => {
      const changes: string[] = [];
      const failures: Error[] = [];
      deleteFormerDevices(route, plan.device?.name, changes);
      const device = plan.tunnel
        ? configure(route, getLink(route, plan.tunnel.name), plan.tunnel, changes)
        : plan.device && ensureDevice(route, plan.device, changes);
      const hasTables = device !== undefined && plan.device !== undefined;
      const actual = {
        device: device?.index,
        underlay: underlay.index,
        routes: listRoutes(route),
        neighbours: hasTables ? listNeighbours(route, device.index) : [],
        forwarding: hasTables ? listFdb(route, device.index) : [],
      };
      for (const change of difference(plan, actual)) {
        try {
          make(route, change, device?.index ?? 0);
          changes.push(textOf(change));
        } catch (thrown) {
          failures.push(asError(thrown));
        }
      }
      const others = [...gatewaysOf(actual.routes, underlay.index), ...apiServers];
      const hops = nextHops(plan, underlay, others);
      const kept = { link: underlay.index, protocol: OVERLAY_PROTOCOL };
      keepNeighbours(route, hops, kept, { changes, failures });
      return { changes, failures };
    });
  }

  /** Deletes our links, with all that is on them, our routes, and neighbours that were kept. */
  remove(): void {
    this.#with((route) => {
      deleteFormerDevices(route, undefined, []);
      for (const item of listRoutes(route)) {
        if (item.protocol === OVERLAY_PROTOCOL) deleteRoute(route, item);
      }
      const none = new Set<string>();
      for (const { index: link } of listLinks(route)) {
        const kept = { link, protocol: OVERLAY_PROTOCOL };
        keepNeighbours(route, none, kept, { changes: [], failures: [] });
      }
    });
  }
}

function underlayOf(route: NetlinkSocket, { iface, addresses }: UnderlayChoice): Underlay {
  const routes = listRoutes(route);
  const link = iface === undefined ? defaultLink(route, routes) : findLink(route, iface);
  if (!link) {
    const what = iface === undefined ? "there is no default route" : `there is no link ${iface}`;
    const remedy = "name the link to the other nodes with --iface";
    throw new OverlayError("no-underlay", what, { remedy });
  }
  const own = listAddresses(route, link.index)
    .filter(({ cidr, link: index }) => index === link.index && ipv4Subnet(cidr) !== undefined)
    .map(({ cidr }) => cidr.split("/")[0]!);
  const address = addresses.find((each) => own.includes(each)) ?? own[0];
  if (address === undefined) {
    throw new OverlayError("no-underlay", `link ${link.name} has no IPv4 address`);
  }
  const connected = routes
    .filter((item) => item.link === link.index && item.via === undefined)
    .map(({ to }) => to)
    .filter((to) => to !== "0.0.0.0/0");
  return { index: link.index, name: link.name, mtu: link.mtu, address, connected };
}

function defaultLink(
  route: NetlinkSocket,
  routes: ReturnType<typeof listRoutes>,
): Link | undefined {
  const [best] = routes
    .filter(({ to }) => to === "0.0.0.0/0")
    .sort((one, other) => (one.metric ?? 0) - (other.metric ?? 0));
  return best && listLinks(route).find(({ index }) => index === best.link);
}

/** Deletes links that an earlier configuration made: another VNI, or another back end now. */
function deleteFormerDevices(
  route: NetlinkSocket,
  kept: string | undefined,
  changes: string[],
): void {
  for (const { name, kind, alias } of listLinks(route)) {
    if (kind !== "vxlan" || alias !== ALIAS || name === kept) continue;
    deleteLink(route, name);
    changes.push(`deleted link ${name}`);
  }
}

/** Returns the VXLAN link, made or put right. One that cannot be changed is made again. */
function ensureDevice(route: NetlinkSocket, device: Device, changes: string[]): Link {
  // lab:13 begin ensure-device
  const found = findLink(route, device.name);
  const why = found && mismatch(found, device);
  if (found && why === undefined) return configure(route, found, device, changes);
  if (found) deleteLink(route, device.name);
  const { name, vni, port, local, underlay, mac, mtu } = device;
  try {
    createVxlan(route, { name, mac, mtu }, { vni, port, local, underlay, learning: false });
  } catch (thrown) {
    throw explain(thrown, device);
  }
  changes.push(why === undefined ? `made link ${name}` : `made link ${name} again: ${why}`);
  disableRouteLearning(name);
  return configure(route, getLink(route, name), device, changes);
  // lab:13 end
}

function explain(thrown: unknown, { name, vni, port }: Device): unknown {
  if (isErrno(thrown, "EOPNOTSUPP")) {
    const remedy = "modprobe vxlan, or use host-gw";
    const what = "the kernel has no VXLAN";
    return new CodedError("no-vxlan", `${what}: ${messageOf(thrown)}`, { remedy, cause: thrown });
  }
  if (!isErrno(thrown, "EEXIST")) return thrown;
  const what = `another link of this node has VNI ${vni} on port ${port} already`;
  const remedy = "ip -d link show type vxlan; delete it, or take another VNI in net-conf.json";
  return new CodedError("vni-in-use", `${name}: ${what}`, { remedy, cause: thrown });
}

/** Returns the first difference of a link that cannot be changed in place. */
function mismatch({ kind, vxlan }: Link, device: Device): string | undefined {
  // lab:13 begin mismatch
  if (kind !== "vxlan" || !vxlan) return `it was a ${kind || "device"}`;
  for (const key of ["vni", "port", "local", "underlay"] as const) {
    if (vxlan[key] !== device[key]) return `${key} was ${vxlan[key]}, is ${device[key]}`;
  }
  return vxlan.learning ? "it learned addresses" : undefined;
  // lab:13 end
}

function configure(
  route: NetlinkSocket,
  found: Link,
  device: Pick<Device, "name" | "mtu" | "address"> & Partial<Device>,
  changes: string[],
): Link {
  const { index } = found;
  const { name, mtu, mac, checksumOffload } = device;
  const to = {
    ...(found.mtu === mtu ? {} : { mtu }),
    ...(mac === undefined || found.mac === mac ? {} : { mac }),
    ...(found.alias === ALIAS ? {} : { alias: ALIAS }),
  };
  if (Object.keys(to).length > 0) {
    setLink(route, found, to);
    changes.push(`set ${JSON.stringify(to)} on ${name}`);
  }
  if (checksumOffload !== undefined && setTransmitChecksum(name, checksumOffload)) {
    changes.push(`turned checksum offload ${checksumOffload ? "on" : "off"} on ${name}`);
  }
  for (const { cidr, link } of listAddresses(route, index)) {
    if (link !== index || ipv4Subnet(cidr) === undefined || cidr === device.address) continue;
    deleteAddress(route, index, cidr);
    changes.push(`deleted address ${cidr} of ${name}`);
  }
  if (addAddress(route, index, device.address)) {
    changes.push(`added address ${device.address} to ${name}`);
  }
  if (!found.up) {
    setLink(route, found, { up: true });
    changes.push(`set ${name} up`);
  }
  return found;
}

/**
 * Makes one change of the kernel's tables; `link` is the index of our VXLAN link. Setting replaces
 * what is there; deleting what is not there is no error. Throws NetlinkError.
 */
function make(route: NetlinkSocket, change: Change, link: number): void {
  // lab:13 begin make
  switch (change.kind) {
    case "set-route":
      return replaceRoute(route, change.route);
    case "delete-route":
      return void deleteRoute(route, change.route);
    case "set-neighbour":
      return replaceNeighbour(route, { link, ...macOf(change) });
    case "delete-neighbour":
      return void deleteNeighbour(route, { link, ...macOf(change) });
    case "set-forwarding":
      return replaceFdbEntry(route, { link, ...macOf(change) });
    case "delete-forwarding":
      return void deleteFdbEntry(route, { link, ...macOf(change) });
    default:
      return unreachable(change, "change");
  }
  // lab:13 end
}

const macOf = ({ entry: { address, mac } }: { entry: { address: string; mac: string } }) => ({
  address,
  mac,
});

function textOf(change: Change): string {
  if ("route" in change) {
    const { to, via = "the tunnel" } = change.route;
    return `${change.kind} ${to} via ${via}`;
  }
  return `${change.kind} ${change.entry.address} ${change.entry.mac}`;
}
