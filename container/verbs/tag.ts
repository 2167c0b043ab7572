import { getImage, openImages } from "../engine/images.ts";
import { verb } from "../verb.ts";

export const tag = verb(
  "tag <image> <name>",
  "Give an image one more name.",
  {},
  async (host, [image, name]) => {
    const { images } = await openImages(host);
    await images.receive(() => images.add(name, getImage({ images }, image).manifestDigest));
  },
);
