import { createWriteStream } from "node:fs";
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { buildArchive } from "@raft2kube/runtime/build/image-builder.ts";
import { nodeProgramRecipe } from "@raft2kube/runtime/build/node-program.ts";
import { pauseRecipe } from "@raft2kube/runtime/build/pause.ts";
import { Command } from "commander";
import { BUNDLES, buildOf, PLACE, productFiles } from "../apply/program-image.ts";
import { ROOT_DIR } from "../assets.ts";
import {
  type Component,
  IMAGE_REPOSITORY,
  imageOf,
  RELEASE_IMAGES,
  type ReleaseImage,
} from "../machine/release-images.ts";
import { requireProgram } from "../preflight/programs.ts";
import { VERSION } from "../version.ts";

/** Files that the bundles read at run time, by folder. */
const DATA = ["api/facts", "openapi/texts", "cli/machine/texts"];
/** A program whose library `base/linux/netfilter` loads by its name. */
const NFT = "nft";

/** `r2k image build-release FILE`: the components' images, of which each is the product itself. */
export function releaseCommand(): Command {
  return new Command("build-release")
    .argument("<file>", "the OCI archive to write")
    .description("Build the images of a cluster of machines: kube-apiserver, etcd, ...")
    .option("--image-repository <name>", "the images' registry", IMAGE_REPOSITORY)
    .action(async (file: string, flags: { imageRepository: string }) => {
      const names = await buildRelease(file, flags.imageRepository);
      process.stdout.write(`${names.map((name) => `built ${name}`).join("\n")}\n`);
    });
}

/** Writes the archive of all images, the same for the same product; resolves with their names. */
export async function buildRelease(file: string, repository: string): Promise<string[]> {
  const images: readonly [string, ReleaseImage][] = Object.entries(RELEASE_IMAGES);
  const recipe = await nodeProgramRecipe({
    image: imageOf("kube-apiserver", repository),
    node: process.execPath,
    command: "r2k",
    others: new Map(images.flatMap(([name, { words }]) => (words ? [[name, words]] : []))),
    isEntrypoint: true,
    programs: [await requireProgram(NFT)],
    module: `${PLACE}/${BUNDLES}/main.js`,
    files: new Map([...productFiles("main.js"), ...(await dataFiles())]),
    env: { R2K_ROOT: PLACE, MALLOC_ARENA_MAX: "1" },
  });
  const build = buildOf("main.js");
  const programs = {
    shell: await requireProgram("sh"),
    catatonit: await requireProgram("catatonit"),
  };
  const pause = await pauseRecipe("pause", VERSION, programs);
  const named = (Object.keys(RELEASE_IMAGES) as Component[]).flatMap((component) => {
    const { semiSpace_MiB = 1 }: ReleaseImage = RELEASE_IMAGES[component];
    // The first line of a program has place for one flag only.
    const options = `NODE_OPTIONS=--max-semi-space-size=${semiSpace_MiB}`;
    const Env = [...(recipe.config.Env ?? []), options];
    const config = { ...recipe.config, Env, Entrypoint: [`/usr/local/bin/${component}`] };
    const image = component === "pause" ? pause : { config };
    return ["", build].map((each) => ({ ...image, name: imageOf(component, repository, each) }));
  });
  const archive = await buildArchive({ ...recipe, ...named[0]! }, named.slice(1));
  // Complete or not there at all.
  await pipeline(archive, createWriteStream(`${file}.new`, { mode: 0o644 }));
  await rename(`${file}.new`, file);
  return named.map(({ name }) => name);
}

async function dataFiles(): Promise<(readonly [string, string])[]> {
  const found = await Promise.all(
    DATA.map(async (folder) => {
      const names = await readdir(join(ROOT_DIR, folder));
      return names.map((name) => {
        return [join(PLACE, folder, name), join(ROOT_DIR, folder, name)] as const;
      });
    }),
  );
  return found.flat();
}
