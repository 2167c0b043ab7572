import { LAYER_UNPACKED_BYTES } from "@raft2kube/runtime/limits.ts";
import { emptyDraft, storeImage, withStep } from "../build/image.ts";
import { changedBy } from "../build/metadata.ts";
import { openImages } from "../engine/images.ts";
import { decompressed } from "../files/decompress.ts";
import { openInput } from "../files/output.ts";
import { print } from "../format/list.ts";
import { verb } from "../verb.ts";

export const importImage = verb(
  "import <file> [name]",
  "Make an image of a tar of a root file system; - is standard input.",
  { "-m, --message <text>": "what it is", "-c, --change <instruction>...": "CMD, ENV, ..." },
  async (host, [file, name], { message, change }) => {
    const source = openInput(file);
    const { images } = await openImages(host);
    const image = await images.receive(async () => {
      const tar = (await decompressed(source)) as AsyncIterable<Buffer>;
      const limit_bytes = LAYER_UNPACKED_BYTES;
      const { digest: diffId, size } = await images.blobs.receive(tar, { limit_bytes });
      const empty = { ...emptyDraft(), defaults: changedBy(change, {}) };
      const created = new Date(host.clock.now()).toISOString();
      const step = { created, comment: message ?? `imported from ${file}` };
      const draft = withStep(empty, { diffId, size, entries: 0 }, step);
      return storeImage(images, draft, { names: name === undefined ? [] : [name], created });
    });
    print([image.id]);
  },
);
