import { existsSync } from "node:fs";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import {
  checkClusterName,
  type ClusterPlace,
  clusterPlace,
  clusterRoots,
  configPath,
  readCluster,
} from "../spec/config.ts";
import { unmergeKubeconfig } from "../pki/merge-kubeconfig.ts";
import { clusterFiles } from "../pki/identities.ts";
import { purgeData, removeFromHost } from "../apply/remove.ts";
import { noCluster } from "./cluster-of.ts";
import { lockForRemoval } from "../locks/nodes.ts";
import { cgroupModeHere } from "../preflight/cgroups.ts";
import { CommandError, type Progress, terminalProgress } from "../terminal.ts";

export function command(): Command {
  return new Command("down")
    .description(
      "Remove a cluster's processes, containers, namespaces, mounts, rules; keep its data.",
    )
    .option("--name <name>", "the cluster's name", "default")
    .option("--purge", "remove its data too")
    .action(down);
}

/**
 * Removes a cluster from this host. A command that starts or changes it at this time is interrupted
 * first, and killed if it does not end: it would make again what is removed. A removal that has
 * started is completed when another one interrupts it; one with the data is waited for instead.
 */
async function down(flags: { name: string; purge?: boolean }): Promise<void> {
  const clock = systemClock();
  const progress = terminalProgress(clock);
  const config = await findCluster(checkClusterName(flags.name), progress);
  if (!config) throw await noCluster(flags.name, "name one of those: r2k down --name NAME");
  process.on("SIGTERM", () => progress.note("This removal goes on to its end."));
  const { purge = false } = flags;
  let purging: number | undefined;
  using lock = await lockForRemoval(config, clock, {
    purge,
    note: (line) => progress.note(line),
    awaits: (pid) => void (purging = pid),
  });
  await progress.step(`removing "${config.name}" from this host`, () => {
    return removeFromHost(config, clock);
  });
  if (purge) {
    await forgetKubeconfig(config, progress);
    await progress.step("removing its data", () => purgeData(config));
  } else progress.note(whereIsData(config, purging, lock !== undefined));
}

/**
 * Reports where the data is after a removal that keeps it and that has waited for `purging`, if
 * any, until it had ended or for too long.
 */
function whereIsData({ dataDir }: ClusterPlace, purging?: number, hasEnded = true): string {
  if (!existsSync(configPath(dataDir))) return "Its data is gone: another command has removed it.";
  if (purging === undefined) {
    return `Its data stays in ${dataDir}; \`r2k start\` goes on from there.`;
  }
  const purge = `\`r2k down --purge\` (process ${purging})`;
  if (!hasEnded) return `${purge} has not ended yet; it removes the data in ${dataDir}.`;
  return `${purge} has ended early; its work on ${dataDir} is not done: repeat it.`;
}

/** Removal needs no more than the name: what cannot be read of the configuration is only noted. */
async function findCluster(name: string, progress: Progress): Promise<ClusterPlace | undefined> {
  const roots = clusterRoots(process.env);
  try {
    return await readCluster(name, roots);
  } catch (thrown) {
    if (!(thrown instanceof CommandError) || thrown.code !== "UNUSABLE_CONFIG") throw thrown;
    progress.note(thrown.message);
    return { ...clusterPlace(name, roots), cgroups: await cgroupModeHere() };
  }
}

/** An entry that `start --merge-kubeconfig` made leads nowhere from now on. */
async function forgetKubeconfig(config: ClusterPlace, progress: Progress): Promise<void> {
  const own = clusterFiles(config).kubeconfig("admin");
  if (!existsSync(own)) return;
  try {
    if (await unmergeKubeconfig(own)) progress.note("Its entry in ~/.kube/config is removed.");
  } catch (thrown) {
    // The file is the user's: what cannot be read or written there keeps no cluster from going.
    progress.note(`Its entry in ~/.kube/config, if any, stays: ${messageOf(thrown)}`);
  }
}
