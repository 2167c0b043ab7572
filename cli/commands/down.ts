import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { checkClusterName, clusterRoots, readCluster } from "../cluster/config.ts";
import { purgeData, removeFromHost } from "../host/remove.ts";
import { terminalProgress } from "../terminal.ts";

export function command(): Command {
  return new Command("down")
    .description(
      "Remove a cluster's processes, containers, namespaces, mounts, rules; keep its data.",
    )
    .option("--name <name>", "the cluster's name", "default")
    .option("--purge", "remove its data too")
    .action(down);
}

async function down(flags: { name: string; purge?: boolean }): Promise<void> {
  const progress = terminalProgress();
  const config = await readCluster(checkClusterName(flags.name), clusterRoots(process.env));
  if (!config) {
    progress.note(`There is no cluster "${flags.name}" here.`);
    return;
  }
  await progress.step(`removing "${config.name}" from this host`, () => {
    return removeFromHost(config, systemClock());
  });
  if (flags.purge) await progress.step("removing its data", () => purgeData(config));
  else progress.note(`Its data stays in ${config.dataDir}; \`r2k start\` goes on from there.`);
}
