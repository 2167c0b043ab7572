import { pushImage } from "@raft2kube/runtime/image/push.ts";
import { each } from "../engine/each.ts";
import { getImage, openImages, registryOf } from "../engine/images.ts";
import { print } from "../format/list.ts";
import { verb } from "../verb.ts";

export const push = verb(
  "push <image...>",
  "Send images to their registries.",
  { "-q, --quiet": "print nothing" },
  async (host, [names], { quiet }) => {
    const { images } = await openImages(host);
    const progress = (line: string) => (quiet ? undefined : print([line]));
    await each(names, async (name) => {
      getImage({ images }, name);
      const digest = await pushImage(images, name, { ...(await registryOf(host, name)), progress });
      progress(`digest: ${digest}`);
    });
  },
);
