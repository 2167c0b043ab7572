import { stat } from "node:fs/promises";
import { printable } from "@raft2kube/std/printable.ts";
import { Command } from "commander";
import { loadImage, nodesWithImages } from "../apply/load-image.ts";
import { withFileErrors } from "../file-errors.ts";
import { isStopped, readJoiningNodes } from "../spec/nodes.ts";
import { printResult } from "../terminal.ts";
import { clusterOf } from "./cluster-of.ts";
import { programCommands } from "./image-program.ts";
import { releaseCommand } from "./image-release.ts";

export function command(): Command {
  const image = new Command("image").description("Images of a cluster's nodes.");
  image
    .command("load")
    .argument("<file>", "an OCI or Docker archive (buildah, docker save, skopeo copy)")
    .description("Load the images of an archive into every node that runs.")
    .option("--name <name>", "the cluster's name", "default")
    .option("-o, --output <format>", "json")
    .action(load);
  for (const program of programCommands()) image.addCommand(program);
  image.addCommand(releaseCommand());
  return image;
}

async function load(file: string, flags: { name: string; output?: string }): Promise<void> {
  await withFileErrors(file, () => stat(file));
  const config = await clusterOf(flags.name);
  const joined = (await readJoiningNodes(config)).filter((node) => !isStopped(node));
  const [result] = await Promise.all(
    (await nodesWithImages(config)).map((node) => loadImage(node, file, file)),
  );
  printResult(flags.output, result!, ({ loaded }) => {
    return printable(loaded.map((name) => `loaded ${name}`).join("\n"));
  });
  const guests = joined.filter((node) => node.guest !== undefined);
  if (guests.length === 0) return;
  const names = guests.map((node) => node.nodeName).join(", ");
  process.stderr.write(`not into ${names}: a guest pulls images from registries\n`);
}
