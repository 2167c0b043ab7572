import { layoutOf } from "@raft2kube/runtime/image/layout.ts";
import { getImage, openImages } from "../engine/images.ts";
import { OUTPUT, writeOutput } from "../files/output.ts";
import { verb } from "../verb.ts";

export const save = verb(
  "save <image...>",
  "Write images as a tar that load, docker, podman and skopeo read.",
  OUTPUT,
  async (host, [names], { output }) => {
    const { images } = await openImages(host);
    const found = names.map((name) => ({ name, image: getImage({ images }, name) }));
    await writeOutput(layoutOf(images, found), output);
  },
);
