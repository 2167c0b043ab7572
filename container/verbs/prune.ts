import { treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { NamedImage } from "@raft2kube/runtime/image/store.ts";
import { codeOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { BuildCache } from "../build/cache.ts";
import { clearMountCaches, mountCaches } from "../build/mount-caches.ts";
import { withEngine } from "../engine/engine.ts";
import { isUntagged } from "../engine/image-names.ts";
import { usersOfImages } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { removeHand } from "../engine/settle.ts";
import { stateOf } from "../engine/state.ts";
import { print } from "../format/list.ts";
import { sizeWords } from "../format/words.ts";
import { type Verb, verb } from "../verb.ts";

/** Something that takes room, and what removes it. */
type Item = {
  name: string;
  bytes: number;
  isUsed: boolean;
  /** Whether it is removed only with `--all`. */
  isKept?: boolean;
  /** Whether it lies in the store of images, which says itself what has become free. */
  isStored?: boolean;
  remove?: () => Promise<unknown>;
};
/** A kind of things: its names of lists and of prune, all of it, and what removes it as a whole. */
type Kind = {
  title: string;
  pruned: string;
  items: (engine: Engine) => Promise<Item[]>;
  clear?: (engine: Engine) => Promise<unknown>;
};

export const sumOf = (items: readonly Item[]) => items.reduce((sum, { bytes }) => sum + bytes, 0);

const bytesOf = async (folder: string) => (await treeUsage(folder)).used_bytes;

/** The kinds of which something may be unused, in the order in which they are pruned. */
export const KINDS = {
  container: {
    title: "Containers",
    pruned: "Containers",
    items: (engine) => {
      const { runtime, containers } = engine;
      return Promise.all(
        containers
          .all()
          .map(async (each) => ({
            name: each.record.id,
            bytes: await bytesOf(runtime.paths.container(each.record.id).upper),
            isUsed:
              each.record.phase.state === "starting" ||
              !["created", "exited"].includes(stateOf(engine, each)),
            remove: () => removeHand(engine, each, { volumes: false }),
          })),
      );
    },
  },
  network: {
    title: "Networks",
    pruned: "Networks",
    items: async ({ networks, containers }) => {
      const used = new Set(containers.all().map(({ hand }) => hand.network));
      return networks.all().map(({ name, isDefault }) => {
        const remove = () => networks.remove(name);
        return { name, bytes: 0, isUsed: isDefault || used.has(name), remove };
      });
    },
  },
  volume: {
    title: "Local Volumes",
    pruned: "Volumes",
    items: async ({ volumes, containers }) => {
      const used = new Set(
        containers.all().flatMap(({ hand }) => hand.mounts.map(({ name }) => name)),
      );
      const all = await volumes.list();
      return Promise.all(
        all.map(async ({ name, isAnonymous }) => ({
          name,
          bytes: await bytesOf(volumes.dataOf(name)),
          isUsed: used.has(name),
          isKept: !isAnonymous,
          remove: () => volumes.remove(name),
        })),
      );
    },
  },
  image: {
    title: "Images",
    pruned: "Images",
    items: async (engine) => {
      const { images } = engine.runtime;
      const used = new Set((await usersOfImages(engine)).map(({ image }) => image.id));
      // One that was pushed has a manifest for each compression of its layers.
      const found = [...Map.groupBy(images.list(), ({ id }) => id)].map(([id, same]) => {
        const [image] = same as [NamedImage];
        const name = image.repoTags[0] ?? id;
        return { id, same, name, isUsed: used.has(id), isKept: !isUntagged(image) };
      });
      // A layer of several counts for the one that stays longest: the others free nothing of it.
      found.sort((a, b) => +b.isUsed - +a.isUsed || +b.isKept - +a.isKept);
      const counted = { blobs: new Set<string>(), layers: new Set<string>() };
      const items: Item[] = [];
      for (const { id, same, ...rest } of found) {
        const { used_bytes } = await images.diskUsage(same, counted);
        const remove = () => images.remove(id);
        items.push({ ...rest, bytes: used_bytes, isStored: true, remove });
      }
      return items;
    },
  },
  cache: {
    title: "Build Cache",
    pruned: "build cache objects",
    items: async ({ host }) => {
      const cache = new BuildCache(host.imagesDir);
      const isDamaged = (error: unknown) => codeOf(error) === "failed-precondition";
      const steps = (await cache.keys()).map((key): Item => {
        const found = tolerateSync(() => cache.find(key), isDamaged);
        const bytes = found?.layer?.size ?? 0;
        return { name: found?.step ?? key, bytes, isUsed: false, isStored: true };
      });
      const bytes = await bytesOf(mountCaches(host));
      if (bytes === 0) return steps;
      return [...steps, { name: "caches of RUN --mount", bytes, isUsed: false }];
    },
    // Damaged steps and those of another version too.
    clear: async ({ host }) => {
      await new BuildCache(host.imagesDir).clear();
      await clearMountCaches(host);
    },
  },
} as const satisfies Record<string, Kind>;

const ALL = {
  "-a, --all": "images with names too, and named volumes",
  "-f, --force": "without a question: there is none",
} as const;

/** A `prune` of some kinds, and of volumes too if its flag asks. */
export const pruneVerb = (
  kinds: readonly (keyof typeof KINDS)[],
  flags: { "--volumes"?: string } = {},
): Verb =>
  verb("prune", "Remove what nothing uses.", { ...ALL, ...flags }, async (host, _, given) => {
    const { all, volumes } = given as typeof given & { volumes?: boolean };
    const chosen = volumes ? [...kinds, "volume" as const] : kinds;
    await withEngine(host, async (engine) => {
      const { images } = engine.runtime;
      const stored = await images.storedBytes();
      let freed = 0;
      for (const kind of chosen) {
        const { pruned, items, clear }: Kind = KINDS[kind];
        // Anonymous volumes alone, in a prune of the system.
        const keeps = kind === "volume" && volumes ? true : !all;
        const unused = (await items(engine)).filter(
          (each) => !each.isUsed && !(keeps && each.isKept),
        );
        for (const { remove } of unused) await remove?.();
        await clear?.(engine);
        freed += sumOf(unused.filter(({ isStored }) => !isStored));
        if (unused.length > 0) print([`Deleted ${pruned}:`, ...unused.map(({ name }) => name), ""]);
      }
      await images.collect();
      // A pull may have added to it meanwhile.
      freed += Math.max(stored - (await images.storedBytes()), 0);
      if (kinds[0] !== "network") print([`Total reclaimed space: ${sizeWords(freed)}`]);
    });
  });
