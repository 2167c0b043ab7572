import { LAYER_UNPACKED_BYTES } from "@raft2kube/runtime/limits.ts";
import { Command } from "commander";
import { emptyDraft, storeImage, withStep } from "../build/image.ts";
import { changeDefaults } from "../build/metadata.ts";
import { parseDockerfile } from "../build/parse.ts";
import type { FindHost } from "../engine/host.ts";
import { openImages } from "../engine/images.ts";
import { decompressed } from "../files/decompress.ts";
import { many } from "../run/flags.ts";
import { openInput } from "./load.ts";

type Flags = { message?: string; change: string[] };

export function command(find: FindHost): Command {
  return new Command("import")
    .argument("<file>")
    .argument("[name]")
    .description("Make an image of a tar of a root file system; - is standard input.")
    .option("-m, --message <text>", "what it is")
    .addOption(many("-c, --change <instruction>", "CMD, ENV, ..."))
    .action(async (file: string, name: string | undefined, flags: Flags) => {
      const source = openInput(file);
      const { host, images } = await openImages(await find());
      const image = await images.receive(async () => {
        const tar = (await decompressed(source)) as AsyncIterable<Buffer>;
        const limit_bytes = LAYER_UNPACKED_BYTES;
        const { digest: diffId, size } = await images.blobs.receive(tar, { limit_bytes });
        let { defaults } = emptyDraft();
        for (const instruction of parseDockerfile(flags.change.join("\n"))) {
          defaults = changeDefaults(defaults, instruction) ?? defaults;
        }
        const created = new Date(host.clock.now()).toISOString();
        const step = { created, comment: flags.message ?? `imported from ${file}` };
        const draft = withStep({ ...emptyDraft(), defaults }, { diffId, size, entries: 0 }, step);
        return storeImage(images, draft, { names: name === undefined ? [] : [name], created });
      });
      process.stdout.write(`${image.id}\n`);
    });
}
