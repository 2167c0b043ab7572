import { inProcessInvoke } from "../lib/in-process.ts";
import { type CniPlugin, runPlugin } from "../lib/skel.ts";
import type { Invoke } from "../lib/types.ts";
import { hostLocal } from "./host-local/host-local.ts";
import { staticIpam } from "./static/static.ts";

/** The IPAM plugins of this build, which are called within the process that delegates to them. */
const ipam = new Map([hostLocal, staticIpam].map((plugin) => [plugin.name, plugin]));

/** Runs a plugin that delegates to IPAM as this process, and sets its exit status. */
export function runInterfacePlugin(plugin: CniPlugin): void {
  const wrap = (exec: Invoke) => inProcessInvoke({ plugins: ipam, exec });
  void runPlugin(plugin, wrap);
}
