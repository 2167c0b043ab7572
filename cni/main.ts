import { PLUGIN_TIMEOUT_MS } from "./limits.ts";
import { type Cni, createCni } from "./lib/cni.ts";
import { execInvoke } from "./lib/exec.ts";
import { inProcessInvoke } from "./lib/in-process.ts";
import { PLUGINS } from "./plugins/index.ts";

/**
 * The runtime's side of CNI that calls our own build of a plugin within this process, and every
 * other plugin by exec. The process has to run in the network namespace that the plugins work in.
 */
export function createNodeCni(options: {
  pluginDirs: string[];
  cacheDir: string;
  timeout_ms?: number;
}): Cni {
  const exec = execInvoke(options.timeout_ms ?? PLUGIN_TIMEOUT_MS);
  return createCni({ ...options, invoke: inProcessInvoke({ plugins: PLUGINS, exec }) });
}
