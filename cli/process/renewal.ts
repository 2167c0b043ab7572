import { basename, dirname } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { lockNodes } from "../locks/nodes.ts";
import { ensureControlPlanePki } from "../pki/control-plane.ts";
import { ensurePki } from "../pki/pki.ts";
import { type ClusterConfig, readConfigFile } from "../spec/config.ts";
import { controlPlanesOf } from "./certificates-in-use.ts";

/**
 * Renews the certificates that end soon, of the cluster and of its control planes, as a start does.
 * Joined nodes ask for theirs themselves.
 */
export async function renewCluster(
  cluster: ClusterConfig,
  now_ms: number,
  note: (line: string) => void,
): Promise<void> {
  await ensurePki(cluster, now_ms, note);
  for (const own of controlPlanesOf(cluster)) {
    await ensureControlPlanePki(cluster, own, now_ms, note);
  }
}

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
