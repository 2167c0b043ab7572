import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { passphraseOf } from "../backup/passphrase.ts";
import { type Restored, restoreBackup } from "../backup/restore.ts";
import { clusterRoots, startCommand } from "../spec/config.ts";
import { printResult, terminalProgress } from "../terminal.ts";
import { onInterrupt } from "./on-interrupt.ts";

/** `r2k restore FILE`: makes the cluster of a backup, on this machine or another. */
export function command(): Command {
  return new Command("restore")
    .argument("<file>", "a file of r2k backup")
    .description("Make a cluster's data from a backup. `r2k start` then runs it.")
    .option("--passphrase-file <file>", "its first line is the passphrase (default: asked for)")
    .option("-o, --output <format>", "json")
    .action(restore);
}

async function restore(file: string, flags: { passphraseFile?: string; output?: string }) {
  const passphrase = await passphraseOf(flags.passphraseFile, false);
  const roots = clusterRoots(process.env);
  using interrupt = onInterrupt();
  const restored = await terminalProgress(systemClock()).step(`restoring from ${file}`, () => {
    return restoreBackup({ file, passphrase, roots, signal: interrupt.signal });
  });
  const { header, config, ...store } = restored;
  printResult(flags.output, { ...header, dataDir: config.dataDir, ...store }, () => {
    return describe(restored);
  });
}

function describe({ header, config, revision, etcdSnapshot }: Restored): string {
  const etcd = [
    "Its store is an etcd: restore each of its members, start them, and remove the snapshot:",
    `  etcdutl snapshot restore ${etcdSnapshot} --data-dir DIR`,
  ];
  const at = revision === undefined ? "" : `, revision ${revision}`;
  return [
    `"${config.name}" is as it was at ${header.created}${at}; run it:`,
    ...(etcdSnapshot === undefined ? [] : etcd),
    `  ${startCommand(config)}`,
    "Not in a backup: images, logs, and the data of volumes on the nodes. Nodes beside the first",
    `join again: r2k node add NODE --name ${config.name}`,
  ].join("\n");
}
