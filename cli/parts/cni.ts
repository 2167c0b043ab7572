import { runPlugin } from "@raft2kube/cni/lib/skel.ts";
import { nodeInvoke } from "@raft2kube/cni/main.ts";
import { PLUGINS } from "@raft2kube/cni/plugins/index.ts";
import { Command } from "commander";
import { CommandError } from "../terminal.ts";

/** `r2k cni PLUGIN`: one plugin, called as a container runtime calls it. */
export function command(): Command {
  const cni = new Command("cni").description("Run one CNI plugin.");
  for (const name of PLUGINS.keys()) {
    cni
      .command(name)
      .description(`the plugin ${name}: environment and stdin of the CNI protocol`)
      .action(() => run(name));
  }
  return cni;
}

async function run(name: string): Promise<void> {
  const plugin = PLUGINS.get(name);
  if (!plugin) throw new CommandError("PLUGIN", `there is no plugin ${name}`);
  await runPlugin(plugin, () => nodeInvoke());
}
