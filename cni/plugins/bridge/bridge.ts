import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { checkFailed } from "../../lib/check.ts";
import { hasIpam, ipamAdd, ipamRun } from "../../lib/delegate.ts";
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
import { announce, configureInside, deletePair, linkIn } from "../../lib/veth.ts";
import { PORT_RETRY_MS, PORT_UP_MS } from "../../limits.ts";
import { checkPort } from "./check.ts";
import { type BridgeConfig, configOf } from "./config.ts";
import { type AddressPlan, planAddresses, planResult } from "./plan.ts";
import { addSpoofCheck, spoofChecks } from "./spoof-check.ts";
import { connect, ensureBridge, ensureGateway } from "./veth.ts";

const LAYER_2_ONLY: CniResult = { cniVersion: "1.1.0" };

/**
 * Connects a container to a bridge of the host by a veth pair, with addresses of the IPAM plugin.
 */
export const bridge: CniPlugin = {
  name: "bridge",

  async add(call) {
    const config = configOf(call);
    requireFirst(call);
    return add(call, config);
  },

  async del(call) {
    return del(call, configOf(call));
  },

  async check(call) {
    const config = configOf(call);
    const result = call.prevResult as CniResult;
    await ipamRun(call, "CHECK");
    checkPort(config, call, result);
    if (config.checksMac && !(await spoofChecks.has(call))) {
      throw checkFailed(`the spoof check of ${call.ifName} is missing`);
    }
    if (config.ipMasq) await requireMasquerade(call, result.ips ?? []);
  },

  async status(call) {
    configOf(call);
    await ipamRun(call, "STATUS");
  },

  async gc(call, valid) {
    const config = configOf(call);
    await ipamRun(call, "GC");
    if (config.ipMasq) await deleteStaleMasquerade(call, valid);
    if (config.checksMac) await spoofChecks.deleteStale(call, valid);
  },
};

/**
 * Connects the container, asks IPAM for its addresses, and configures both; with `checksMac` the
 * container is confined (addSpoofCheck) before its end is up. After an error nothing of this call
 * is left: no pair, no address, no rule. It rejects with that error, even if the undo fails too.
 */
async function add(call: PluginCall, config: BridgeConfig): Promise<CniResult> {
  // lab:12 begin add
  using route = openRoute();
  const link = ensureBridge(route, config);
  const { host, container } = connect(route, link, config, call);
  try {
    const ipam = hasIpam(call) ? await ipamAdd(call) : LAYER_2_ONLY;
    const addresses = planAddresses(config, ipam);
    if (config.checksMac) {
      const ips = config.checksAddresses && hasIpam(call) ? addresses.ips : undefined;
      await addSpoofCheck(call, host.name, { mac: container.mac, ips });
    }
    await configure(call, config, addresses, host.name);
    const { mac, mtu } = linkIn(call.netns, container.name);
    const inside = { name: container.name, mac, mtu, sandbox: call.netns };
    const ends = [link, host].map(({ name, mac, mtu }) => ({ name, mac, mtu }));
    return planResult([...ends, inside], addresses, ipam);
  } catch (thrown) {
    // Also IPAM's DEL after a failed ADD of it (CNI spec 1.1.0, section 4).
    await del(call, config).catch(() => undefined);
    throw thrown;
  }
  // lab:12 end
}

/**
 * Takes away what ADD made: masquerade, pair, spoof check; and gives its address back once the pair
 * is gone. A step that fails does not keep the others from being taken; the first error is thrown
 * at the end. Succeeds if there is nothing: the runtime repeats DEL until it succeeds, also when
 * the namespace is gone (`netns` is then empty).
 */
async function del(call: PluginCall, config: BridgeConfig): Promise<void> {
  // lab:12 begin del
  await takeAll(
    () => config.ipMasq && deleteMasquerade(call),
    async () => {
      await deletePair(call.netns, call.ifName);
      await takeAll(
        () => config.checksMac && spoofChecks.delete(call),
        // Last: from now on another container may get the address.
        () => ipamRun(call, "DEL"),
      );
    },
  );
  // lab:12 end
}

/**
 * Configures the container's end, the gateway and masquerading; announces the container's addresses
 * once its port of the bridge forwards.
 */
async function configure(
  call: PluginCall,
  config: BridgeConfig,
  plan: AddressPlan,
  port: string,
): Promise<void> {
  configureInside(call, plan);
  if (config.isGateway) {
    using route = openRoute();
    ensureGateway(route, ensureBridge(route, config), plan.gateways, config.forceAddress);
  }
  if (config.ipMasq && plan.ips.length > 0) await addMasquerade(call, plan.ips);
  await forwards(port);
  announce(call);
}

/** Waits until the kernel has opened a port of the bridge, soon after its other end is up. */
async function forwards(port: string): Promise<void> {
  using route = openRoute();
  const isUp = () => getLink(route, port).operstate === "up";
  const bounds = { clock: systemClock(), timeout_ms: PORT_UP_MS, interval_ms: PORT_RETRY_MS };
  try {
    await waitFor(`port ${port} of the bridge to be up`, isUp, bounds);
  } catch (thrown) {
    throw new CniError("kernel-refused", messageOf(thrown), { cause: thrown });
  }
}
