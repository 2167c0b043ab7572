import { existsSync } from "node:fs";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { converge } from "../converge.ts";
import { lockForRemoval } from "../locks/nodes.ts";
import { cgroupModeHere } from "../preflight/cgroups.ts";
import {
  type ClusterPlace,
  checkClusterName,
  clusterPlace,
  clusterRoots,
  configPath,
  readCluster,
} from "../spec/config.ts";
import { isLeftover, madeByHand } from "../spec/leftovers.ts";
import { CommandError, type Progress, terminalProgress } from "../terminal.ts";
import { noCluster } from "./cluster-of.ts";

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
  const cluster = await findCluster(checkClusterName(flags.name), progress);
  if (!cluster) throw await noCluster(flags.name, "name one of those: r2k down --name NAME");
  refuseByHand(cluster, flags.purge ?? false);
  process.on("SIGTERM", () => progress.note("This removal goes on to its end."));
  const { purge = false } = flags;
  const wasCluster = existsSync(configPath(cluster.dataDir));
  let purging: number | undefined;
  using lock = await lockForRemoval(cluster, clock, {
    purge,
    note: (line) => progress.note(line),
    awaits: (pid) => void (purging = pid),
  });
  const spec = purge
    ? { wanted: "absent" as const, cluster }
    : { wanted: "stopped" as const, cluster, nodes: [] };
  await converge(spec, { clock, progress });
  if (purge) return;
  if (wasCluster) progress.note(whereIsData(cluster, purging, lock !== undefined));
  else progress.note(`What is in ${cluster.dataDir} stays; \`r2k down --purge\` removes it.`);
}

/**
 * Containers made by hand have mounts, groups and networks in the cluster's folders that no removal
 * of nodes knows. Networks and volumes of their own stay without purge; as docker removes no volume
 * that is not named, a purge does not either.
 */
function refuseByHand(place: ClusterPlace, purge: boolean): void {
  const { name } = place;
  const { containers, networks, volumes } = madeByHand(place);
  const files = networks.map((file) => file.replace(/\.json$/, ""));
  const data = purge ? [...files, ...volumes.map((volume) => volume.slice(0, 24))] : [];
  const left = [...containers.map((id) => id.slice(0, 12)), ...data];
  if (left.length === 0) return;
  const self = name === "default" ? "r2k container" : `r2k container --cluster ${name}`;
  throw new CommandError("MADE_BY_HAND", `made by hand: ${left.join(" ")}`, {
    remedy: `${self} rm -f CONTAINER...; network rm NETWORK...; volume rm VOLUME...`,
  });
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

/**
 * Removal needs no more than the name: what cannot be read of the configuration is only noted, and
 * folders without one are removed too.
 */
async function findCluster(name: string, progress: Progress): Promise<ClusterPlace | undefined> {
  const roots = clusterRoots(process.env);
  const place = async () => ({ ...clusterPlace(name, roots), cgroups: await cgroupModeHere() });
  try {
    const cluster = await readCluster(name, roots);
    if (cluster !== undefined) return cluster;
    return isLeftover(clusterPlace(name, roots)) ? await place() : undefined;
  } catch (thrown) {
    if (!(thrown instanceof CommandError) || thrown.code !== "UNUSABLE_CONFIG") throw thrown;
    progress.note(thrown.message);
    return place();
  }
}
