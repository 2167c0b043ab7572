import { basename, dirname } from "node:path";
import { dueIdentities } from "@raft2kube/kubelet/bootstrap/identities.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { nodeFiles } from "../pki/identities.ts";
import { type ClusterConfig, configPath, readConfigFile } from "../spec/config.ts";
import { runOwn } from "./run-own.ts";

/** The host looks for what is to be approved each minute (`node-approvals.ts`); it may be busy. */
const RENEWAL_PENDING_MS = 900_000;

/** The command by which a node joins its cluster, or renews its certificates. */
export function command(): Command {
  return new Command("node-join")
    .description("Get a node's certificates from the cluster; a node's process runs it.")
    .requiredOption("--config <file>", "the node's cluster.json")
    .option("--renew", "wait for approvals as long as a cluster's host may take")
    .action(async (flags: { config: string; renew?: true }) => {
      const { joinCluster } = await import("@raft2kube/kubelet/bootstrap/join.ts");
      const config = await readConfigFile(flags.config, basename(dirname(flags.config)));
      await joinCluster(nodeFiles(config), systemClock(), flags.renew ? RENEWAL_PENDING_MS : 0);
    });
}

/**
 * Lets a node that has no certificates, or old ones, ask for them. Another process does, so that
 * this one, which stays, does not keep the code for it. Throws when the node cannot work without.
 */
export async function ensureJoined(config: ClusterConfig, clock: Clock): Promise<void> {
  const due = await dueIdentities(nodeFiles(config), clock.now());
  if (due.length === 0) return;
  const { succeeded, said } = await runOwn(["node-join", "--config", configPath(config.dataDir)]);
  if (succeeded) return;
  const missing = due.filter(({ valid }) => !valid).map(({ identity }) => identity);
  if (missing.length === 0) {
    const names = due.map(({ identity }) => identity);
    logger("process").warn("certificates are not renewed, they end soon", { names, said });
    return;
  }
  throw new CodedError("NOT_JOINED", `no certificate for ${missing.join(", ")}: ${said}`, {
    remedy: `r2k node start ${config.nodeName} --name ${config.name}`,
  });
}

/**
 * Renews the certificates of a node that runs, those that end soon, in a process of its own until
 * `signal` ends it: the cluster's controllers approve the kubelet's own, the host the others.
 */
export async function renewJoined(
  config: ClusterConfig,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if ((await dueIdentities(nodeFiles(config), clock.now())).length === 0) return;
  const words = ["node-join", "--renew", "--config", configPath(config.dataDir)];
  const { succeeded, said } = await runOwn(words, signal);
  if (!succeeded) throw new CodedError("RENEWAL", said);
}
