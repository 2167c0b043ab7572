import { Command } from "commander";
import type { FindHost } from "../engine/host.ts";
import { getImage, openImages } from "../engine/images.ts";
import { type Line, type ListFlags, printList } from "../format/list.ts";
import { shortId, sizeWords, spanWords } from "../format/words.ts";

const WORDS = 45;
const COLUMNS = {
  ID: "IMAGE",
  CreatedSince: "CREATED",
  CreatedBy: "CREATED BY",
  Size: "SIZE",
  Comment: "COMMENT",
};

export function command(find: FindHost): Command {
  return new Command("history")
    .argument("<image>")
    .description("The steps by which an image was made.")
    .option("--no-trunc", "whole lines")
    .option("-q, --quiet", "ids alone")
    .option("--format <format>", "json, a template, or table TEMPLATE")
    .action(async (name: string, flags: ListFlags) => {
      const { host, images } = await openImages(await find());
      const image = getImage({ images }, name);
      const sizes = image.manifest.layers.map(({ size }) => size);
      const lines = (image.config.history ?? [])
        .map((step): Line => {
          const size = step.empty_layer ? 0 : (sizes.shift() ?? 0);
          const by = step.created_by ?? "";
          const created = step.created;
          return {
            ID: "<missing>",
            CreatedAt: created ?? "",
            CreatedSince: created
              ? `${spanWords(host.clock.now() - Date.parse(created))} ago`
              : "N/A",
            CreatedBy:
              flags.trunc === false || by.length <= WORDS ? by : `${by.slice(0, WORDS - 1)}…`,
            Size: sizeWords(size),
            Comment: step.comment ?? "",
          };
        })
        .reverse();
      const id = flags.trunc === false ? image.id : shortId(image.id);
      printList(
        lines.map((line, at) => (at === 0 ? { ...line, ID: id } : line)),
        COLUMNS,
        flags,
      );
    });
}
