import type { NamedImage } from "@raft2kube/runtime/image/store.ts";
import { matcherOf } from "../build/wildcard.ts";
import { isUntagged, openImages, shortName } from "../engine/images.ts";
import { FILTER, hasLabel, LIST, type Line, passes, printList } from "../format/list.ts";
import { agoWords, shortId, sizeWords, timeWords } from "../format/words.ts";
import { booleanOf, read } from "../run/values.ts";
import { verb } from "../verb.ts";

export const images = verb(
  "images [name]",
  "List images, those of pods too.",
  {
    ...LIST,
    "-a, --all": "as without",
    "--digests": "with the digests of their manifests",
    [FILTER]: "reference=, label=, dangling=",
  },
  async (host, [name], flags) => {
    const { images: store } = await openImages(host);
    // One that was pushed has a manifest for each compression of its layers.
    const lines = [...new Map(store.list().map((image) => [image.id, image])).values()]
      .filter(passes(flags.filter, FILTERS))
      .sort((a, b) => b.created_ms - a.created_ms)
      .flatMap((image) => linesOf(image, flags.trunc, host.clock.now()))
      .filter(
        ({ Repository, Tag }) => name === undefined || fitsName(name, `${Repository}:${Tag}`),
      );
    const digest = flags.digests ? "Digest, " : "";
    printList(lines, `Repository, Tag, ${digest}ID=IMAGE ID, CreatedSince=CREATED, Size`, flags);
  },
);

/** Whether a name fits a pattern, with its tag or without. */
function fitsName(pattern: string, tag: string): boolean {
  const name = shortName(tag);
  return [name, name.replace(/:[^:/]*$/, "")].some(matcherOf(pattern));
}

const FILTERS = {
  reference: (value: string) => {
    return ({ repoTags }: NamedImage) => repoTags.some((tag) => fitsName(value, tag));
  },
  dangling: (value: string) => {
    const isWanted = read("--filter dangling", value, booleanOf);
    return (image: NamedImage) => isUntagged(image) === isWanted;
  },
  label: (value: string) => {
    return ({ config }: NamedImage) => hasLabel(config.config?.Labels ?? {}, value);
  },
};

function linesOf(image: NamedImage, trunc: boolean, now_ms: number): Line[] {
  const { created_ms } = image;
  const rest = {
    ID: trunc ? shortId(image.id) : image.id,
    Digest: image.manifestDigest,
    CreatedAt: timeWords(created_ms),
    CreatedSince: agoWords(now_ms, created_ms),
    Size: sizeWords(image.size_bytes),
  };
  if (isUntagged(image)) return [{ Repository: "<none>", Tag: "<none>", ...rest }];
  return image.repoTags.map((name) => {
    const colon = name.lastIndexOf(":");
    return { Repository: shortName(name.slice(0, colon)), Tag: name.slice(colon + 1), ...rest };
  });
}
