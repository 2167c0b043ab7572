import { basename, dirname } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { lockNodes } from "../locks/nodes.ts";
import { readConfigFile } from "../spec/config.ts";
import { renewCluster } from "./renew-cluster.ts";

/** The command by which a cluster that runs renews its certificates. */
export function command(): Command {
  return new Command("renewal")
    .description("Renew the certificates of a cluster that end soon; its processes run it.")
    .requiredOption("--config <file>", "the cluster's cluster.json")
    .action(async (flags: { config: string }) => {
      const dataDir = dirname(flags.config);
      const name = basename(dataDir);
      const clock = systemClock();
      using _lock = await lockNodes({ name, dataDir }, clock);
      const cluster = await readConfigFile(flags.config, name);
      await renewCluster(cluster, clock.now(), (line) => console.log(line.trim()));
    });
}
