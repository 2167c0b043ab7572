import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { createFile } from "@raft2kube/linux/file/durable-file.ts";
import { writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import { collectSupport } from "../doctor/support-bundle.ts";
import { withFileErrors } from "../file-errors.ts";
import { runningClient } from "../observe/running-api.ts";
import { readJoiningNodes } from "../spec/nodes.ts";
import { CommandError } from "../terminal.ts";
import { API_LEVEL, VERSION } from "../version.ts";
import { clusterOf } from "./cluster-of.ts";
import { examine } from "./doctor.ts";
import { readStatus } from "./status.ts";

/** `r2k support-bundle FILE`: what another person needs to see what is wrong. */
export function command(): Command {
  return new Command("support-bundle")
    .argument("[file]", "the archive to make, such as support.tar.gz")
    .description("Pack logs, versions, findings and objects, without Secrets; list them first.")
    .option("--name <name>", "the cluster's name", "default")
    .option("--list", "list only")
    .action(bundle);
}

async function bundle(file: string | undefined, flags: { name: string; list?: boolean }) {
  if (file === undefined && !flags.list) {
    throw new CommandError("ARGUMENT", "no file is named", { remedy: "name one, or --list" });
  }
  const config = await clusterOf(flags.name);
  using client = await runningClient(config);
  const joined = await readJoiningNodes(config);
  const state = {
    version: { r2k: VERSION, kubernetes: API_LEVEL, node: process.version },
    cluster: config,
    nodes: joined,
    status: await readStatus(config),
    doctor: await examine(config.name),
  };
  const entries = await collectSupport(state, config, joined, client);
  for (const { name, content = "" } of entries) {
    process.stdout.write(`${String(content.length).padStart(9)} ${printable(name)}\n`);
  }
  if (file === undefined || flags.list) return;
  await withFileErrors(file, () =>
    pipeline(writeTar(entries), createGzip(), (packed) => createFile(file, packed)),
  );
  process.stdout.write(`wrote ${file}; read it before you pass it on\n`);
}
