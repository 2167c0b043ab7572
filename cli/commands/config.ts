import { readFile } from "node:fs/promises";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { Command } from "commander";
import { stringify } from "yaml";
import { commandWith, type FlagsOf, required } from "../flags.ts";
import { clusterDocument, readKubeadmConfig } from "../machine/config/kubeadm.ts";
import { migrateConfig } from "../machine/config/migrate.ts";
import { kubeletConfigOf } from "../machine/phases/files.ts";
import { allImages } from "../machine/release-images.ts";
import { checkExtraArgs } from "../machine/static-pods.ts";
import { KUBEADM_VERSION } from "../version.ts";
import { releaseImages } from "./machine-context.ts";

const OF_FILE = { "--config <file>": required("the file") } as const;
const OF_IMAGES = { "--config <file>": "a configuration" } as const;
const OF_MIGRATION = {
  "--old-config <file>": required("the file"),
  "--new-config <file>": "where to write it; default: printed",
} as const;

/** `r2k config`: configuration files and images, with kubeadm's words. */
export function command(): Command {
  const pulling = "Make them, as init does: each is this product.";
  const images = new Command("images")
    .description("The images of the components.")
    .addCommand(commandWith("list", "Print their names.", OF_IMAGES, list))
    .addCommand(commandWith("pull", pulling, OF_IMAGES, pull));
  const printing = "Print the defaults of init, in every document's form.";
  const migrating = "Rewrite a file of an older version as v1beta4.";
  return new Command("config")
    .description("Configuration files of init and join.")
    .addCommand(commandWith("print", printing, {}, print))
    .addCommand(commandWith("validate", "Check a file; every fault is named.", OF_FILE, validate))
    .addCommand(commandWith("migrate", migrating, OF_MIGRATION, migrate))
    .addCommand(images);
}

async function list(flags: FlagsOf<typeof OF_IMAGES>): Promise<void> {
  const { cluster } = await readKubeadmConfig(flags.config);
  process.stdout.write(`${allImages(cluster.imageRepository).join("\n")}\n`);
}

async function pull(flags: FlagsOf<typeof OF_IMAGES>): Promise<void> {
  const { cluster } = await readKubeadmConfig(flags.config);
  process.stdout.write(`${await releaseImages(cluster.imageRepository)}\n`);
}

async function validate({ config: path }: FlagsOf<typeof OF_FILE>): Promise<void> {
  checkExtraArgs((await readKubeadmConfig(path)).cluster);
  process.stdout.write("ok\n");
}

async function migrate(flags: FlagsOf<typeof OF_MIGRATION>): Promise<void> {
  const text = migrateConfig(await readFile(flags.oldConfig, "utf8"), flags.oldConfig);
  if (flags.newConfig === undefined) process.stdout.write(text);
  else await replaceFile(flags.newConfig, text, { mode: 0o600 }); // it may have a token
}

async function print(): Promise<void> {
  const config = await readKubeadmConfig(undefined);
  const init = { apiVersion: KUBEADM_VERSION, kind: "InitConfiguration", ...config.init };
  const kubelet = stringify(kubeletConfigOf(config));
  const documents = [stringify(init), clusterDocument(config.cluster), kubelet];
  process.stdout.write(documents.join("---\n"));
}
