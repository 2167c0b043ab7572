import { execInvoke } from "./lib/exec.ts";
import { inProcessInvoke } from "./lib/in-process.ts";
import type { Invoke } from "./lib/types.ts";
import { PLUGIN_TIMEOUT_MS } from "./limits.ts";
import { PLUGINS } from "./plugins/index.ts";

/**
 * Calls our own build of a plugin within this process, and every other plugin as a process. This
 * process has to live in the network namespace that the plugins work in.
 */
export function nodeInvoke(timeout_ms: number = PLUGIN_TIMEOUT_MS): Invoke {
  return inProcessInvoke({ plugins: PLUGINS, exec: execInvoke(timeout_ms) });
}
