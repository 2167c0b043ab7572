import { withEngine } from "../engine/engine.ts";
import { printList } from "../format/list.ts";
import { sizeWords } from "../format/words.ts";
import { FORMAT, group, verb } from "../verb.ts";
import { type Item, KINDS, pruneVerb, sumOf } from "./prune.ts";

const COLUMNS = "Type, TotalCount=TOTAL, Active, Size, Reclaimable";

const df = verb("df", "What takes room.", FORMAT, async (host, _, flags) => {
  const found = await withEngine(host, (engine) =>
    Promise.all(
      [KINDS.image, KINDS.container, KINDS.volume, KINDS.cache].map(async ({ title, items }) => {
        return { title, all: await Array.fromAsync<Item>(items(engine)) };
      }),
    ),
  );
  const lines = found.map(({ title, all }) => {
    const [size, free] = [sumOf(all), sumOf(all.filter(({ isUsed }) => !isUsed))];
    return {
      Type: title,
      TotalCount: String(all.length),
      Active: String(all.filter(({ isUsed }) => isUsed).length),
      Size: sizeWords(size),
      Reclaimable: sizeWords(free) + (size > 0 ? ` (${Math.floor((100 * free) / size)}%)` : ""),
    };
  });
  printList(lines, COLUMNS, flags);
});

// The cache before the images: a damaged step of it stops their collection.
const prune = pruneVerb(["container", "network", "cache", "image"], {
  "--volumes": "anonymous volumes too",
});

export const system = group("system", "Room on the disk.", df, prune);
