import { loadArchive } from "@raft2kube/runtime/image/archive.ts";
import { openImages, shortName } from "../engine/images.ts";
import { decompressed } from "../files/decompress.ts";
import { openInput } from "../files/output.ts";
import { print } from "../format/list.ts";
import { verb } from "../verb.ts";

export const load = verb(
  "load",
  "Load the images of a tar: of save, docker, podman, skopeo.",
  { "-i, --input <file>": { about: "a file", by: "-" }, "-q, --quiet": "as without" },
  async (host, _, { input }) => {
    const source = openInput(input);
    const { images } = await openImages(host);
    const names = await loadArchive(images, await decompressed(source));
    print(names.map((name) => `Loaded image: ${shortName(name)}`));
  },
);
