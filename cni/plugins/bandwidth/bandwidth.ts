import {
  createIfb,
  deleteLink,
  deleteLinkAside,
  findLink,
  getLink,
  type Link,
  listLinks,
  openRoute,
} from "@raft2kube/linux/netlink/link.ts";
import type { NetlinkSocket } from "@raft2kube/linux/netlink/netlink.ts";
import { addTokenBucket, listQdiscs } from "@raft2kube/linux/netlink/traffic-control.ts";
import { checkFailed, checkHostEnd } from "../../lib/check.ts";
import { IngressChains } from "../../lib/ingress-chains.ts";
import { type CniPlugin, type PluginCall, requireChained } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";
import { linkIn } from "../../lib/veth.ts";
import { type Bound, configOf } from "./config.ts";
import { ifbGroup, ifbName, planBucket } from "./plan.ts";

/**
 * Redirections to the intermediate links. Of nftables and not of tc as in the reference plugin: tc
 * takes frames before netfilter's ingress, and the kernel puts redirected frames back after it, so
 * that they would go round the spoof checks of the bridge plugin, whose chains come before these.
 */
const redirections = new IngressChains({
  table: "r2k-cni-bandwidth",
  priority: 0,
  policy: "accept",
});

/**
 * Bounds the rate of a container's traffic by token buckets on the host. Packets to the container
 * are shaped where they leave by the veth's host end. Packets from it cannot be shaped where they
 * arrive: they are redirected to an intermediate link (ifb), and shaped where they leave that one.
 */
export const bandwidth: CniPlugin = {
  name: "bandwidth",

  async add(call) {
    const result = requireChained(call);
    const { ingress, egress } = configOf(call);
    if (!ingress && !egress) return result;
    using route = openRoute();
    const host = hostEndOf(call, result);
    if (ingress) addTokenBucket(route, host.index, planBucket(ingress));
    if (!egress) return result;
    const { name, mac, mtu } = await shapeEgress(route, call, host, egress);
    return { ...result, interfaces: [...(result.interfaces ?? []), { name, mac, mtu }] };
  },

  async del(call) {
    using route = openRoute();
    await deleteLinkAside(route, ifbName(call.network, call.containerId));
    await redirections.delete(call);
  },

  async check(call) {
    const { ingress, egress } = configOf(call);
    if (!ingress && !egress) return;
    using route = openRoute();
    const host = hostEndOf(call, requireChained(call));
    if (ingress) requireBucket(route, host, ingress);
    if (!egress) return;
    const name = ifbName(call.network, call.containerId);
    const ifb = findLink(route, name);
    if (!ifb) throw checkFailed(`there is no link ${name}`);
    requireBucket(route, ifb, egress);
    const redirects = await redirections.has(call);
    if (!redirects) throw checkFailed(`what arrives by ${host.name} is not sent to ${name}`);
  },

  async status(call) {
    configOf(call);
  },

  async gc(call, valid) {
    using route = openRoute();
    const kept = new Set(valid.map(({ containerID }) => ifbName(call.network, containerID)));
    for (const { kind, name, group } of listLinks(route)) {
      if (kind !== "ifb" || group !== ifbGroup(call.network) || kept.has(name)) continue;
      await deleteLinkAside(route, name);
    }
    await redirections.deleteStale(call, valid);
  },
};

/** Returns the host's end of the container's interface. */
function hostEndOf({ netns, ifName }: PluginCall, result: CniResult): Link {
  return checkHostEnd(result, linkIn(netns, ifName));
}

async function shapeEgress(
  route: NetlinkSocket,
  call: PluginCall,
  host: Link,
  bound: Bound,
): Promise<Link> {
  const name = ifbName(call.network, call.containerId);
  createIfb(route, { name, mtu: host.mtu, up: true, group: ifbGroup(call.network) });
  try {
    const ifb = getLink(route, name);
    addTokenBucket(route, ifb.index, planBucket(bound));
    await redirections.add(call, host.name, [`fwd to "${name}"`]);
    return ifb;
  } catch (thrown) {
    deleteLink(route, name);
    throw thrown;
  }
}

/** Error 102 if a link is not shaped by this bound. */
function requireBucket(route: NetlinkSocket, { index, name }: Link, bound: Bound): void {
  const { rate, limit_bytes } = planBucket(bound);
  const found = listQdiscs(route).find(({ link, kind }) => link === index && kind === "tbf");
  if (!found) throw checkFailed(`${name} has no token bucket`);
  if (found.rate === rate && found.limit_bytes === limit_bytes) return;
  const what = `${found.rate} bytes per second (limit ${found.limit_bytes})`;
  throw checkFailed(`${name} is shaped to ${what}, not to ${rate} (limit ${limit_bytes})`);
}
