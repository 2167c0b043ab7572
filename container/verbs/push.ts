import { pushImage } from "@raft2kube/runtime/image/push.ts";
import { parseReference } from "@raft2kube/runtime/image/reference.ts";
import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { getImage, openImages } from "../engine/images.ts";
import { print } from "../format/list.ts";
import { authFor } from "../registry/auth-file.ts";
import { each } from "./each.ts";

export function command(find: FindHost): Command {
  return new Command("push")
    .argument("<image...>")
    .description("Send images to their registries.")
    .option("-q, --quiet", "print nothing")
    .action(async (names: string[], { quiet }: { quiet?: boolean }) => {
      const { host, images } = await openImages(await find());
      await each(names, async (name) => {
        getImage({ images }, name);
        const auth = await authFor(parseReference(name).domain);
        const { clock, registries: endpoints } = host;
        const progress = (line: string) => (quiet ? undefined : print([line]));
        const options = { clock, endpoints, progress, ...(auth && { auth }) };
        const digest = await pushImage(images, name, options);
        if (!quiet) print([`digest: ${digest}`]);
      });
    });
}
