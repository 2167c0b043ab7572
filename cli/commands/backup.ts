import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { createBackup } from "../backup/create.ts";
import { passphraseOf } from "../backup/passphrase.ts";
import { terminalProgress } from "../terminal.ts";
import { clusterOf } from "./cluster-of.ts";
import { onInterrupt } from "./on-interrupt.ts";

/** `r2k backup FILE`: the state of a running cluster's control plane, encrypted. */
export function command(): Command {
  return new Command("backup")
    .argument("<file>", "the file to make")
    .description("Save certificates, configuration and the store of a running cluster, encrypted.")
    .option("--name <name>", "the cluster's name", "default")
    .option("--passphrase-file <file>", "its first line is the passphrase (default: asked for)")
    .action(backup);
}

async function backup(file: string, flags: { name: string; passphraseFile?: string }) {
  const config = await clusterOf(flags.name);
  const passphrase = await passphraseOf(flags.passphraseFile, true);
  const clock = systemClock();
  using interrupt = onInterrupt();
  const { signal } = interrupt;
  await terminalProgress(clock).step(`saving "${config.name}" to ${file}`, () => {
    return createBackup({ config, file, passphrase, now_ms: clock.now(), signal });
  });
}
