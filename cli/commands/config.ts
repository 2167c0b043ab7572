import { readFile } from "node:fs/promises";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { Command } from "commander";
import { stringify } from "yaml";
import {
  clusterDocument,
  KUBEADM_VERSION,
  parseKubeadmConfig,
  readKubeadmConfig,
} from "../machine/config/kubeadm.ts";
import { migrateConfig } from "../machine/config/migrate.ts";
import { kubeletConfigOf } from "../machine/phases/files.ts";
import { allImages } from "../machine/release-images.ts";
import { checkExtraArgs } from "../machine/static-pods.ts";
import { releaseImages } from "./machine-context.ts";

/** `r2k config`: configuration files and images, with kubeadm's words. */
export function command(): Command {
  const config = new Command("config").description("Configuration files of init and join.");
  config
    .command("print")
    .description("Print the defaults of init, in every document's form.")
    .action(print);
  config
    .command("validate")
    .description("Check a file; every fault is named.")
    .requiredOption("--config <file>", "the file")
    .action(async ({ config: path }: { config: string }) => {
      checkExtraArgs(parseKubeadmConfig(await readFile(path, "utf8"), path).cluster);
      process.stdout.write("ok\n");
    });
  config
    .command("migrate")
    .description("Rewrite a file of an older version as v1beta4.")
    .requiredOption("--old-config <file>", "the file")
    .option("--new-config <file>", "where to write it; default: printed")
    .action(migrate);
  const images = config.command("images").description("The images of the components.");
  images
    .command("list")
    .description("Print their names.")
    .option("--config <file>", "a configuration")
    .action(async (flags: { config?: string }) => {
      const { cluster } = await readKubeadmConfig(flags.config);
      process.stdout.write(`${allImages(cluster.imageRepository).join("\n")}\n`);
    });
  images
    .command("pull")
    .description("Make them, as init does: each is this product.")
    .option("--config <file>", "a configuration")
    .action(async (flags: { config?: string }) => {
      const { cluster } = await readKubeadmConfig(flags.config);
      process.stdout.write(`${await releaseImages(cluster.imageRepository)}\n`);
    });
  return config;
}

async function migrate(flags: { oldConfig: string; newConfig?: string }): Promise<void> {
  const text = migrateConfig(await readFile(flags.oldConfig, "utf8"), flags.oldConfig);
  if (flags.newConfig === undefined) process.stdout.write(text);
  else await replaceFile(flags.newConfig, text, { mode: 0o600 }); // it may have a token
}

async function print(): Promise<void> {
  const config = await readKubeadmConfig(undefined);
  const init = { apiVersion: KUBEADM_VERSION, kind: "InitConfiguration", ...config.init };
  const documents = [
    stringify(init),
    clusterDocument(config.cluster),
    stringify(kubeletConfigOf({ config })),
  ];
  process.stdout.write(documents.join("---\n"));
}
