import { readFile } from "node:fs/promises";
import { messageOf } from "@raft2kube/std/errors.ts";
import { checkFailed } from "../../lib/check.ts";
import { delegate } from "../../lib/delegate.ts";
import { CniError } from "../../lib/errors.ts";
import { parseResult } from "../../lib/result.ts";
import { type CniPlugin, type PluginCall, requireFirst } from "../../lib/skel.ts";
import { parseSubnetEnv, type SubnetEnv } from "../../lib/subnet-env.ts";
import type { PluginRequest } from "../../lib/types.ts";
import { addedConfigs } from "./added.ts";
import { configOf, delegateConfig, type FlannelConfig } from "./config.ts";

/**
 * Gives a container an address of this node's range in an overlay: reads what the overlay wrote of
 * it, and delegates to the plugins that make interfaces and give addresses.
 */
export const flannel: CniPlugin = {
  name: "flannel",

  async add(call) {
    requireFirst(call);
    const own = configOf(call);
    const config = delegateConfig(call, own, await readSubnetEnv(own));
    // Before the interface is made: a call that is killed in between is undone by DEL.
    await addedConfigs(own.dataDir, call.network).put(call.containerId, config);
    const result = await delegate(call, "ADD", config.type, config);
    return parseResult(result, `plugin ${config.type}`);
  },

  async del(call) {
    const added = addedConfigs(configOf(call).dataDir, call.network);
    const config = await added.get(call.containerId);
    if (config) await delegate(call, "DEL", config.type, config);
    await added.delete(call.containerId);
  },

  async check(call) {
    const own = configOf(call);
    const config = await addedConfigs(own.dataDir, call.network).get(call.containerId);
    if (!config) throw checkFailed(`flannel has no record of container ${call.containerId}`);
    const { ipam } = delegateConfig(call, own, await readSubnetEnv(own));
    if (rangesOf(ipam) !== rangesOf(config.ipam)) {
      const what = `the node's range is ${rangesOf(ipam)} now, it was ${rangesOf(config.ipam)}`;
      throw checkFailed(what);
    }
    const { prevResult } = call.config;
    await delegate(call, "CHECK", config.type, { ...config, prevResult });
  },

  async status(call) {
    await delegateNow(call, "STATUS");
  },

  async gc(call, valid) {
    const attachments = "cni.dev/valid-attachments";
    await delegateNow(call, "GC", { [attachments]: call.config[attachments] });
    const kept = new Set(valid.map(({ containerID }) => containerID));
    await addedConfigs(configOf(call).dataDir, call.network).collect(kept);
  },
};

/** Calls the delegate with the configuration that a container would be added with now. */
async function delegateNow(
  call: PluginCall,
  command: "STATUS" | "GC",
  more: Partial<PluginRequest["config"]> = {},
): Promise<void> {
  const own = configOf(call);
  const config = delegateConfig(call, own, await readSubnetEnv(own));
  await delegate(call, command, config.type, { ...config, ...more });
}

async function readSubnetEnv({ subnetFile }: FlannelConfig): Promise<SubnetEnv> {
  let text: string;
  try {
    text = await readFile(subnetFile, "utf8");
  } catch (thrown) {
    const what = `the overlay has not started on this node: ${messageOf(thrown)}`;
    const remedy = "r2k overlay, or flanneld, writes the file";
    throw new CniError("not-available", what, { cause: thrown, remedy });
  }
  return parseSubnetEnv(text, subnetFile);
}

const rangesOf = (ipam: PluginRequest["config"]["ipam"]): string => JSON.stringify(ipam?.ranges);
