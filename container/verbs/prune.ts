import { treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { NamedImage } from "@raft2kube/runtime/image/store.ts";
import { codeOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { BuildCache } from "../build/cache.ts";
import { clearMountCaches, mountCaches } from "../build/mount-caches.ts";
import { withEngine } from "../engine/engine.ts";
import { isUntagged, usersOfImages } from "../engine/images.ts";
import type { Engine } from "../engine/open-engine.ts";
import { removeHand } from "../engine/settle.ts";
import { stateOf } from "../engine/state.ts";
import { print } from "../format/list.ts";
import { sizeWords } from "../format/words.ts";
import { type Verb, verb } from "../verb.ts";

/** Something that takes room, and what removes it. */
export type Item = {
  name: string;
  bytes: number;
  isUsed: boolean;
  /** Whether it is removed only with `--all`. */
  isKept?: boolean;
  /** Whether it lies in the store of images, which says itself what has become free. */
  isStored?: boolean;
  remove?: () => Promise<unknown>;
};
/** A kind of things: its name in lists, and in prune's where that is another. */
type Kind = {
  title: string;
  pruned?: string;
  items: (engine: Engine) => AsyncIterable<Item>;
  /** Removes all of it, the items that have no removal of their own too. */
  clear?: (engine: Engine) => Promise<unknown>;
};

export const sumOf = (items: readonly Item[]) => items.reduce((sum, { bytes }) => sum + bytes, 0);

const bytesOf = async (folder: string) => (await treeUsage(folder)).used_bytes;
const isDamaged = (error: unknown) => codeOf(error) === "failed-precondition";

/** The kinds of which something may be unused, in the order in which they are pruned. */
export const KINDS = {
  container: {
    title: "Containers",
    async *items(engine) {
      for (const each of engine.containers.all()) {
        const { id: name, phase } = each.record;
        const isOver = ["created", "exited"].includes(stateOf(engine, each));
        const isUsed = phase.state === "starting" || !isOver;
        const bytes = await bytesOf(engine.runtime.paths.container(name).upper);
        yield { name, bytes, isUsed, remove: () => removeHand(engine, each, { volumes: false }) };
      }
    },
  },
  network: {
    title: "Networks",
    async *items({ networks, containers }) {
      const used = new Set(containers.all().map(({ hand }) => hand.network));
      for (const { name, isDefault } of networks.all()) {
        const isUsed = isDefault || used.has(name);
        yield { name, bytes: 0, isUsed, remove: () => networks.remove(name) };
      }
    },
  },
  volume: {
    title: "Local Volumes",
    pruned: "Volumes",
    async *items({ volumes, containers }) {
      const mounts = containers.all().flatMap(({ hand }) => hand.mounts);
      const used = new Set(mounts.map(({ name }) => name));
      for (const { name, isAnonymous } of await volumes.list()) {
        const bytes = await bytesOf(volumes.dataOf(name));
        const remove = () => volumes.remove(name);
        yield { name, bytes, isUsed: used.has(name), isKept: !isAnonymous, remove };
      }
    },
  },
  image: {
    title: "Images",
    async *items(engine) {
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
      for (const { id, same, ...rest } of found) {
        const { used_bytes: bytes } = await images.diskUsage(same, counted);
        yield { ...rest, bytes, isStored: true, remove: () => images.remove(id) };
      }
    },
  },
  cache: {
    title: "Build Cache",
    pruned: "build cache objects",
    async *items({ host }) {
      const cache = new BuildCache(host.imagesDir);
      for (const key of await cache.keys()) {
        const found = tolerateSync(() => cache.find(key), isDamaged);
        const { step: name = key, layer } = found ?? {};
        yield { name, bytes: layer?.size ?? 0, isUsed: false, isStored: true };
      }
      const bytes = await bytesOf(mountCaches(host));
      if (bytes > 0) yield { name: "caches of RUN --mount", bytes, isUsed: false };
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
    const { all: wantsAll, volumes } = given as typeof given & { volumes?: boolean };
    const chosen = volumes ? [...kinds, "volume" as const] : kinds;
    await withEngine(host, async (engine) => {
      const { images } = engine.runtime;
      const stored = await images.storedBytes();
      let freed = 0;
      for (const kind of chosen) {
        const { title, pruned = title, items, clear }: Kind = KINDS[kind];
        // Anonymous volumes alone, in a prune of the system.
        const keeps = kind === "volume" && volumes ? true : !wantsAll;
        const all = await Array.fromAsync(items(engine));
        const unused = all.filter((each) => !each.isUsed && !(keeps && each.isKept));
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
