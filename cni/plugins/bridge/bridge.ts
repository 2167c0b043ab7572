import { openRoute } from "@raft2kube/linux/link.ts";
import { CniError } from "../../lib/errors.ts";
import { hasIpam, ipamAdd, ipamRun } from "../../lib/delegate.ts";
import type { CniPlugin, PluginCall } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";
import { checkWire } from "./check.ts";
import { type BridgeConfig, configOf } from "./config.ts";
import { collectMasquerade, masquerade, missingMasquerade, unmasquerade } from "./masquerade.ts";
import { type AddressPlan, planAddresses, planResult } from "./plan.ts";
import { collectGuards, guard, isGuarded, unguard } from "./spoof.ts";
import {
  configureInside, connect, disconnect, ensureBridge, ensureGateway, linkIn,
} from "./wire.ts";

const LAYER_2_ONLY: CniResult = { cniVersion: "1.1.0" };

/**
 * Joins a container to a bridge of the host by a veth pair; addresses come from the IPAM plugin.
 */
export const bridge: CniPlugin = {
  name: "bridge",

  async add(call) {
    const config = configOf(call);
    if (call.prevResult) {
      throw new CniError("invalid-config", "bridge has to be the first plugin of its list");
    }
    return add(call, config);
  },

  async del(call) {
    const config = configOf(call);
    await ipamRun(call, "DEL");
    if (config.ipMasq) await unmasquerade(call);
    if (call.netns !== "") disconnect(call.netns, call.ifName);
    if (config.checksMac) await unguard(call);
  },

  async check(call) {
    const config = configOf(call);
    const result = call.prevResult as CniResult;
    await ipamRun(call, "CHECK");
    checkWire(config, call, result);
    if (config.checksMac && !(await isGuarded(call))) {
      throw new CniError("check-failed", `what ${call.ifName} sends is not checked`);
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
    if (config.ipMasq) await collectMasquerade(call, valid);
    if (config.checksMac) await collectGuards(call, valid);
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
        await guard(call, host.name, { mac: container.mac, ips });
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
  if (config.ipMasq && plan.ips.length > 0) await masquerade(call, plan.ips);
}
