import type { NamedImage } from "@raft2kube/runtime/image/store.ts";
import { Command } from "commander";
import { matchesName } from "../build/ignore.ts";
import type { FindHost } from "../engine/host.ts";
import { isUntagged, shortName } from "../engine/image-names.ts";
import { openImages } from "../engine/images.ts";
import { hasLabel, type Line, type ListFlags, passes, printList } from "../format/list.ts";
import { shortId, sizeWords, spanWords } from "../format/words.ts";
import { many } from "../run/flags.ts";

const COLUMNS = {
  Repository: "REPOSITORY",
  Tag: "TAG",
  ID: "IMAGE ID",
  CreatedSince: "CREATED",
  Size: "SIZE",
};

interface Flags extends ListFlags {
  digests?: boolean;
  filter: string[];
}

export function command(find: FindHost): Command {
  return new Command("images")
    .argument("[name]")
    .description("List images, those of pods too.")
    .option("-a, --all", "as without")
    .option("-q, --quiet", "ids alone")
    .option("--digests", "with the digests of their manifests")
    .option("--no-trunc", "whole ids")
    .option("--format <format>", "json, a template, or table TEMPLATE")
    .addOption(many("-f, --filter <filter>", "reference=, label=, dangling="))
    .action(async (name: string | undefined, flags: Flags) => {
      const { host, images: store } = await openImages(await find());
      const images = store.list();
      // One that was pushed has a manifest for each compression of its layers.
      const lines = [...new Map(images.map((image) => [image.id, image])).values()]
        .filter(passes(flags.filter, FILTERS))
        .sort((a, b) => b.created_ms - a.created_ms)
        .flatMap((image) => linesOf(image, flags, host.clock.now()))
        .filter(
          ({ Repository, Tag }) => name === undefined || fitsName(name, `${Repository}:${Tag}`),
        );
      printList(lines, flags.digests ? { ...COLUMNS, Digest: "DIGEST" } : COLUMNS, flags);
    });
}

/** Whether a name fits a pattern, with its tag or without. */
function fitsName(pattern: string, tag: string): boolean {
  const name = shortName(tag);
  return [name, name.replace(/:[^:/]*$/, "")].some((each) => matchesName(pattern, each));
}

const FILTERS = {
  reference: (value: string) => {
    return ({ repoTags }: NamedImage) => repoTags.some((tag) => fitsName(value, tag));
  },
  dangling: (value: string) => (image: NamedImage) => isUntagged(image) === (value === "true"),
  label: (value: string) => {
    return ({ config }: NamedImage) => hasLabel(config.config?.Labels ?? {}, value);
  },
};

function linesOf(image: NamedImage, flags: Flags, now_ms: number): Line[] {
  const { created_ms } = image;
  const rest = {
    ID: flags.trunc === false ? image.id : shortId(image.id),
    Digest: image.manifestDigest,
    CreatedAt: new Date(created_ms).toISOString(),
    CreatedSince: created_ms === 0 ? "N/A" : `${spanWords(now_ms - created_ms)} ago`,
    Size: sizeWords(image.size_bytes),
  };
  if (image.repoTags.length === 0) return [{ Repository: "<none>", Tag: "<none>", ...rest }];
  return image.repoTags.map((name) => {
    const colon = name.lastIndexOf(":");
    return { Repository: shortName(name.slice(0, colon)), Tag: name.slice(colon + 1), ...rest };
  });
}
