import { openRoute } from "@raft2kube/linux/link.ts";
import { CniError } from "../../lib/errors.ts";
import { hasIpam, ipamAdd, ipamRun } from "../../lib/delegate.ts";
import type { CniPlugin, PluginCall } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";
import { checkVeth } from "./check.ts";
import { type BridgeConfig, configOf } from "./config.ts";
import {
  addMasquerade,
  deleteMasquerade,
  deleteStaleMasquerade,
  missingMasquerade,
} from "./masquerade.ts";
import { type AddressPlan, planAddresses, planResult } from "./plan.ts";
import {
  addSpoofCheck,
  deleteSpoofCheck,
  deleteStaleSpoofChecks,
  hasSpoofCheck,
} from "./spoof-check.ts";
import {
  configureInside, connect, disconnect, ensureBridge, ensureGateway, linkIn,
} from "./veth.ts";

const LAYER_2_ONLY: CniResult = { cniVersion: "1.1.0" };

/**
 * Connects a container to a bridge of the host by a veth pair, with addresses of the IPAM plugin.
 */
export const bridge: CniPlugin = {
  name: "bridge",

  async add(call) {
    const config = configOf(call);
    if (call.prevResult) {
      throw new CniError("invalid-config", "bridge must be the first plugin of its list");
    }
    return add(call, config);
  },

  async del(call) {
    const config = configOf(call);
    await ipamRun(call, "DEL");
    if (config.ipMasq) await deleteMasquerade(call);
    if (call.netns !== "") disconnect(call.netns, call.ifName);
    if (config.checksMac) await deleteSpoofCheck(call);
  },

  async check(call) {
    const config = configOf(call);
    const result = call.prevResult as CniResult;
    await ipamRun(call, "CHECK");
    checkVeth(config, call, result);
    if (config.checksMac && !(await hasSpoofCheck(call))) {
      throw new CniError("check-failed", `the spoof check of ${call.ifName} is missing`);
    }
    if (!config.ipMasq) return;
    const [missing] = await missingMasquerade(call, result.ips ?? []);
    if (missing) throw new CniError("check-failed", `${missing.address} is not masqueraded`);
  },

  async status(call) {
    configOf(call);
    await ipamRun(call, "STATUS");
  },

  async gc(call, valid) {
    const config = configOf(call);
    await ipamRun(call, "GC");
    if (config.ipMasq) await deleteStaleMasquerade(call, valid);
    if (config.checksMac) await deleteStaleSpoofChecks(call, valid);
  },
};

async function add(call: PluginCall, config: BridgeConfig): Promise<CniResult> {
  using route = openRoute();
  const link = ensureBridge(route, config);
  const { host, container } = connect(route, link, config, call);
  try {
    const ipam = hasIpam(call) ? await ipamAdd(call) : LAYER_2_ONLY;
    const addresses = planAddresses(config, ipam);
    try {
      if (config.checksMac) {
        const ips = config.checksAddresses && hasIpam(call) ? addresses.ips : undefined;
        await addSpoofCheck(call, host.name, { mac: container.mac, ips });
      }
      await configure(call, config, addresses);
    } catch (thrown) {
      await ipamRun(call, "DEL");
      throw thrown;
    }
    const { mac, mtu } = linkIn(call.netns, container.name);
    const inside = { name: container.name, mac, mtu, sandbox: call.netns };
    const ends = [link, host].map(({ name, mac, mtu }) => ({ name, mac, mtu }));
    return planResult([...ends, inside], addresses, ipam);
  } catch (thrown) {
    disconnect(call.netns, call.ifName);
    throw thrown;
  }
}

async function configure(call: PluginCall, config: BridgeConfig, plan: AddressPlan): Promise<void> {
  configureInside(call.netns, call.ifName, plan);
  if (config.isGateway) {
    using route = openRoute();
    ensureGateway(route, ensureBridge(route, config), plan.gateways, config.forceAddress);
  }
  if (config.ipMasq && plan.ips.length > 0) await addMasquerade(call, plan.ips);
}
