import { execInvoke } from "@raft2kube/cni/lib/exec.ts";
import { inProcessInvoke } from "@raft2kube/cni/lib/in-process.ts";
import { runPlugin } from "@raft2kube/cni/lib/skel.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { PLUGIN_TIMEOUT_MS } from "@raft2kube/cni/limits.ts";
import { Command } from "commander";
import { CommandError } from "../terminal.ts";

/** `r2k cni PLUGIN`: one plugin, called as a container runtime calls it. */
export function command(): Command {
  const cni = new Command("cni").description("Run one CNI plugin.");
  for (const name of PLUGINS.keys()) {
    cni
      .command(name)
      .description(`the plugin ${name}: environment and stdin as CNI says`)
      .action(() => run(name));
  }
  return cni;
}

async function run(name: string): Promise<void> {
  const plugin = PLUGINS.get(name);
  if (!plugin) throw new CommandError("PLUGIN", `there is no plugin ${name}`);
  const exec = execInvoke(PLUGIN_TIMEOUT_MS);
  const wrap = () => inProcessInvoke({ plugins: PLUGINS, exec });
  process.exitCode = await runPlugin(plugin, process.env, wrap);
}
