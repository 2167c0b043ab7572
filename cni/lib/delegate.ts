import { CniError } from "./errors.ts";
import { requirePluginType } from "./names.ts";
import { findPlugin } from "./plugins.ts";
import { parseResult } from "./result.ts";
import type { PluginCall } from "./skel.ts";
import type { CniResult, Command, PluginRequest } from "./types.ts";

/**
 * Calls another plugin with the environment of this call, and its configuration unless another is
 * given (CNI spec 1.1.0, section 4, "Delegated plugins").
 */
export async function delegate(
  call: PluginCall,
  command: Command,
  plugin: unknown,
  config: PluginRequest["config"] = call.config,
): Promise<unknown> {
  const type = requirePluginType(plugin);
  if (call.path.length === 0) {
    throw new CniError("invalid-environment", `CNI_PATH is needed to find the plugin ${type}`);
  }
  const { containerId, netns, ifName, args, path } = call;
  const request = { command, containerId, netns, ifName, args, path, config };
  return call.invoke(await findPlugin(type, path), request);
}

/** Whether the configuration has an IPAM plugin; without one the network is layer 2 only. */
export function hasIpam(call: PluginCall): boolean {
  return call.config.ipam?.type !== undefined && call.config.ipam.type !== "";
}

/**
 * Runs ADD of the IPAM plugin; resolves with the container's addresses. The configuration's own
 * `dns` replaces the plugin's, as in the reference plugins.
 */
export async function ipamAdd(call: PluginCall): Promise<CniResult> {
  const type = call.config.ipam?.type ?? "";
  const result = parseResult(await delegate(call, "ADD", type), `IPAM plugin ${type}`);
  if (!result.ips?.length) {
    throw new CniError("plugin-garbage", `IPAM plugin ${type} returned no address`);
  }
  const { dns } = call.config;
  return dns && Object.keys(dns).length > 0 ? { ...result, dns } : result;
}

/** Runs DEL, CHECK, STATUS or GC of the IPAM plugin; does nothing without one. */
export async function ipamRun(call: PluginCall, command: Exclude<Command, "ADD">): Promise<void> {
  if (hasIpam(call)) await delegate(call, command, call.config.ipam?.type);
}
