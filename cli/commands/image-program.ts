import { createWriteStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { Command } from "commander";
import { IMAGE_PROGRAMS, type Program, programArchive } from "../apply/program-image.ts";

/** `r2k image store FILE`, `r2k image port-proxy FILE`, ...: programs of the product as images. */
export function programCommands(): Command[] {
  return Object.entries(IMAGE_PROGRAMS).map(([name, program]: [string, Program]) => {
    return new Command(name)
      .argument("<file>", "the OCI archive to write (r2k image load, ctr images import, skopeo)")
      .description(program.description)
      .option("--name <reference>", "the image's name", program.image)
      .action((file: string, flags: { name: string }) => build(program, file, flags.name));
  });
}

async function build(program: Program, file: string, image: string): Promise<void> {
  const archive = await programArchive(program, image);
  await pipeline(archive, createWriteStream(file, { mode: 0o644 }));
  process.stdout.write(`built ${image} into ${file}\n`);
}
