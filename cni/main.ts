import { execInvoke } from "./lib/exec.ts";
import { inProcessInvoke } from "./lib/in-process.ts";
import type { Invoke } from "./lib/types.ts";
import { PLUGIN_TIMEOUT_MS } from "./limits.ts";
import { PLUGINS } from "./plugins/index.ts";

/**
 * Calls plugins of this build within this process, and all others as processes. This process must
 * be in the network namespace that the plugins configure.
 */
export function nodeInvoke(): Invoke {
  return inProcessInvoke({ plugins: PLUGINS, exec: execInvoke(PLUGIN_TIMEOUT_MS) });
}
