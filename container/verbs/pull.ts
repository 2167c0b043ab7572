import { formatReference, parseReference } from "@raft2kube/runtime/image/reference.ts";
import { each } from "../engine/each.ts";
import { fetchImage, openImages } from "../engine/images.ts";
import { print } from "../format/list.ts";
import { PLATFORM } from "../run/flags.ts";
import { verb } from "../verb.ts";

export const pull = verb(
  "pull <image...>",
  "Fetch images from their registries.",
  { ...PLATFORM, "-q, --quiet": "print nothing but the name" },
  async (host, [names], { quiet }) => {
    const open = await openImages(host);
    await each(names, async (name) => {
      const image = await fetchImage(open, name);
      if (!quiet) process.stderr.write(`${image.manifestDigest}\n`);
      print([formatReference(parseReference(name))]);
    });
  },
);
