import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import { type Link, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { addRoute, listRoutes } from "@raft2kube/linux/netlink/route.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { checkFailed, checkHostEnd, checkInside } from "../../lib/check.ts";
import { ipamAdd, ipamRun } from "../../lib/delegate.ts";
import { CniError } from "../../lib/errors.ts";
import {
  addMasquerade,
  deleteMasquerade,
  deleteStaleMasquerade,
  requireMasquerade,
} from "../../lib/masquerade.ts";
import { type CniPlugin, type PluginCall, requireFirst } from "../../lib/skel.ts";
import { takeAll } from "../../lib/take-all.ts";
import type { CniResult } from "../../lib/types.ts";
import {
  configureInside,
  createPair,
  deletePair,
  enableForwarding,
  linkIn,
  type VethPair,
} from "../../lib/veth.ts";
import { configOf, type PtpConfig } from "./config.ts";
import { planPtp } from "./plan.ts";

/**
 * Connects a container to the host by a veth pair alone: the host routes each of the container's
 * addresses to its end, which has the gateway's address.
 */
export const ptp: CniPlugin = {
  name: "ptp",

  async add(call) {
    const config = configOf(call);
    requireFirst(call);
    using route = openRoute();
    const pair = createPair(route, call, { mtu: config.mtu });
    try {
      return await connect(call, config, pair, await ipamAdd(call));
    } catch (thrown) {
      // Also IPAM's DEL after a failed ADD of it (CNI spec 1.1.0, section 4).
      await del(call).catch(() => undefined);
      throw thrown;
    }
  },

  del,

  async check(call) {
    const { ipMasq } = configOf(call);
    const result = call.prevResult as CniResult;
    await ipamRun(call, "CHECK");
    const host = checkHostEnd(result, checkInside(call, result));
    const { hostRoutes } = planPtp(result);
    const present = routesBy(host);
    const missing = hostRoutes.find((to) => !present.includes(to));
    if (missing) throw checkFailed(`the host lost its route to ${missing} by ${host.name}`);
    if (ipMasq) await requireMasquerade(call, result.ips ?? []);
  },

  async status(call) {
    configOf(call);
    await ipamRun(call, "STATUS");
  },

  async gc(call, valid) {
    const { ipMasq } = configOf(call);
    await ipamRun(call, "GC");
    if (ipMasq) await deleteStaleMasquerade(call, valid);
  },
};

/** Takes every step that is possible, and throws the first error at the end. */
async function del(call: PluginCall): Promise<void> {
  const { ipMasq } = configOf(call);
  await takeAll(
    () => ipMasq && deleteMasquerade(call),
    async () => {
      if (call.netns !== "") await deletePair(call.netns, call.ifName);
      // Last: from now on another container may get the address.
      await ipamRun(call, "DEL");
    },
  );
}

async function connect(
  call: PluginCall,
  config: PtpConfig,
  { host, container }: VethPair,
  ipam: CniResult,
): Promise<CniResult> {
  const plan = planPtp(ipam);
  configureInside(call, plan, { connected: false });
  connectHost(host, plan);
  enableForwarding(plan.hostRoutes);
  if (config.ipMasq) await addMasquerade(call, plan.ips);
  const { mac, mtu } = linkIn(call.netns, container.name);
  return {
    cniVersion: "1.1.0",
    interfaces: [
      { name: host.name, mac: host.mac, mtu: host.mtu },
      { name: container.name, mac, mtu, sandbox: call.netns },
    ],
    ips: plan.ips,
    ...(ipam.routes ? { routes: ipam.routes } : {}),
    ...(ipam.dns ? { dns: ipam.dns } : {}),
  };
}

function connectHost(
  host: Link,
  plan: { hostAddresses: readonly string[]; hostRoutes: readonly string[] },
): void {
  using route = openRoute();
  for (const address of plan.hostAddresses) addAddress(route, host.index, address);
  for (const to of plan.hostRoutes) {
    try {
      addRoute(route, { to, link: host.index });
    } catch (thrown) {
      // Not replaced: the traffic of the container that has the address would come to this one.
      if (!isErrno(thrown, "EEXIST")) throw thrown;
      const what = `the host has a route to ${to} already`;
      const remedy = "another container has the address: give this one another";
      throw new CniError("invalid-config", what, { cause: thrown, remedy });
    }
  }
}

function routesBy({ index }: Link): string[] {
  using route = openRoute();
  const routes = [...listRoutes(route, 4), ...listRoutes(route, 6)];
  return routes.filter(({ link }) => link === index).map(({ to }) => to);
}
