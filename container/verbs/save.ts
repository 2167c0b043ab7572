import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { layoutOf } from "@raft2kube/runtime/image/layout.ts";
import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { getImage, openImages } from "../engine/images.ts";
import { writeOutput } from "../files/output.ts";

export function command(find: FindHost): Command {
  return new Command("save")
    .argument("<image...>")
    .description("Write images as a tar that load, docker, podman and skopeo read.")
    .option("-o, --output <file>", "by default standard output")
    .action(async (names: string[], { output }: { output?: string }) => {
      if (output === undefined && process.stdout.isTTY) {
        throw new RuntimeError("invalid-argument", "a tar is not for a terminal", {
          remedy: "-o FILE",
        });
      }
      const { images } = await openImages(await find());
      const found = names.map((name) => ({ name, image: getImage({ images }, name) }));
      await writeOutput(layoutOf(images, found), output);
    });
}
