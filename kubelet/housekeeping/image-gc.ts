import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Image } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { everyContainer } from "../cri/every.ts";
import type { Runtime } from "../cri/runtime.ts";
import { repositoryOf } from "../images/credentials.ts";
import { IMAGE_GC_MIN_AGE_MS, IMAGES_MAX } from "../limits.ts";
import { filesystemSpace } from "../node/machine.ts";

const log = logger("kubelet-image-gc");

type Seen = { first_ms: number; lastUsed_ms: number };

type Wanted = { free_bytes: number; free_images?: number };

export interface ImageGcPlan {
  /** Images in the order of removal, least recently used first. */
  remove: string[];
  freed_bytes: number;
}

/**
 * Returns the images to remove to free `free_bytes`, and as many as `free_images`: none that is in
 * use, pinned, or new.
 */
export function planImageGc(
  images: Image[],
  inUse: ReadonlySet<string>,
  seen: ReadonlyMap<string, Seen>,
  { free_bytes, free_images = 0, now_ms }: Wanted & { now_ms: number },
): ImageGcPlan {
  const plan: ImageGcPlan = { remove: [], freed_bytes: 0 };
  const candidates = images
    .filter(({ id, pinned }) => !pinned && !inUse.has(id))
    .map((image) => ({ image, seen: seen.get(image.id) ?? { first_ms: now_ms, lastUsed_ms: 0 } }))
    .filter(({ seen }) => now_ms - seen.first_ms >= IMAGE_GC_MIN_AGE_MS)
    .sort((a, b) => a.seen.lastUsed_ms - b.seen.lastUsed_ms || a.seen.first_ms - b.seen.first_ms);
  for (const { image } of candidates) {
    if (plan.freed_bytes >= free_bytes && plan.remove.length >= free_images) break;
    plan.remove.push(image.id);
    plan.freed_bytes += image.size;
  }
  return plan;
}

export interface ImageGcOptions {
  runtime: Runtime;
  highPercent: number;
  lowPercent: number;
  clock: Pick<Clock, "monotonic">;
  /** Returns the pods whose image volumes are in use: CRI's containers do not name those images. */
  pods(): readonly Pod[];
}

/** Removes unused images when their disk is filling up, or when they are more than IMAGES_MAX. */
export class ImageGc {
  readonly #options: ImageGcOptions;
  readonly #seen = new Map<string, Seen>();

  constructor(options: ImageGcOptions) {
    this.#options = options;
  }

  /** Records which images are in use and, above the high mark, frees down to the low mark. */
  async run(): Promise<void> {
    const { highPercent, lowPercent, runtime } = this.#options;
    const { images, inUse } = await this.#list();
    const { imageFilesystems } = await runtime.images.imageFsInfo({});
    const mountpoint = imageFilesystems[0]?.fsId?.mountpoint;
    if (!mountpoint) return;
    const { capacity_bytes, available_bytes } = await filesystemSpace(mountpoint);
    const used_bytes = capacity_bytes - available_bytes;
    const isFull = used_bytes * 100 >= highPercent * capacity_bytes;
    const free_bytes = isFull ? used_bytes - (capacity_bytes * lowPercent) / 100 : 0;
    const free_images = images.filter(({ id }) => !inUse.has(id)).length - IMAGES_MAX;
    if (!isFull && free_images <= 0) return;
    await this.#free(images, inUse, { free_bytes, free_images });
  }

  /** Removes every unused image: the disk is under pressure. */
  async freeAll(): Promise<void> {
    const { images, inUse } = await this.#list();
    await this.#free(images, inUse, { free_bytes: Infinity });
  }

  async #list(): Promise<{ images: Image[]; inUse: Set<string> }> {
    const { runtime, clock, pods } = this.#options;
    const { images } = await runtime.images.listImages({});
    const inUse = new Set<string>();
    for await (const { imageRef, imageId } of everyContainer(runtime.runtime)) {
      inUse.add(imageRef).add(imageId);
    }
    const named = new Set(pods().flatMap(imageVolumesOf).map(fullNameOf));
    for (const { id, repoTags, repoDigests } of images) {
      if ([...repoTags, ...repoDigests].some((name) => named.has(fullNameOf(name)))) inUse.add(id);
    }
    const now = clock.monotonic();
    const present = new Set(images.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!present.has(id)) this.#seen.delete(id);
    for (const id of present) {
      const seen = this.#seen.get(id) ?? { first_ms: now, lastUsed_ms: 0 };
      this.#seen.set(id, inUse.has(id) ? { ...seen, lastUsed_ms: now } : seen);
    }
    return { images, inUse };
  }

  async #free(images: Image[], inUse: Set<string>, wanted: Wanted): Promise<void> {
    const { runtime, clock } = this.#options;
    const now_ms = clock.monotonic();
    const plan = planImageGc(images, inUse, this.#seen, { ...wanted, now_ms });
    const { free_bytes } = wanted;
    for (const image of plan.remove) {
      log.info("removing an unused image", { image });
      try {
        await runtime.images.removeImage({ image: { image } });
      } catch (thrown) {
        // Others may still be removed.
        log.warn("an unused image was not removed", { image, error: messageOf(thrown) });
      }
    }
    if (plan.freed_bytes < free_bytes && free_bytes !== Infinity) {
      log.warn("image disk is above its mark and nothing more can be removed", {
        wanted_bytes: free_bytes,
        freed_bytes: plan.freed_bytes,
      });
    }
  }
}

const imageVolumesOf = ({ spec }: Pod): string[] =>
  (spec.volumes ?? []).flatMap(({ image }) => image?.reference ?? []);

/** Returns an image's name with registry and tag or digest, as `busybox` and its repoTag differ. */
function fullNameOf(image: string): string {
  const [tagged = "", digest] = image.split("@");
  const repository = repositoryOf(tagged);
  if (digest !== undefined) return `${repository}@${digest}`;
  return `${repository}:${/:([^/:]*)$/.exec(tagged)?.[1] ?? "latest"}`;
}
