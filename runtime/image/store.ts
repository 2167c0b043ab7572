import path from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { codeOf, messageOf } from "@raft2kube/std/errors.ts";
import { FairTurns, KeyedTurns } from "@raft2kube/std/turns.ts";
import { RuntimeError } from "../errors.ts";
import {
  IMAGE_CONFIG_BYTES,
  IMAGE_NAMES_MAX,
  LAYERS_UNPACKED_MAX,
  LAYERS_UNPACKED_OF_NAMESPACE_MAX,
  MANIFEST_BYTES,
} from "../limits.ts";
import { BlobStore } from "./blobs.ts";
import { decompress } from "./compression.ts";
import { type ImageConfig, parseImageConfig } from "./config.ts";
import { DiskReserve } from "./disk-reserve.ts";
import { IndexFile, type Target } from "./index-file.ts";
import { chainIdsOf, type InTurn, LayerStore } from "./layers.ts";
import { type ImageManifest, parseManifest } from "./manifest.ts";
import { formatReference, parseReference, repositoryOf } from "./reference.ts";
import type { RegistryOptions } from "./registry.ts";

const log = logger("runtime");
/** Content that is kept without a name. */
export interface KeptContent {
  /** Diff ids. */
  layers: Iterable<string>;
  /** Digests. */
  blobs: Iterable<string>;
}

/** An image that is here: unpacked and ready to run. */
export interface StoredImage {
  /** The digest of its configuration, as CRI's image id. */
  id: string;
  manifestDigest: string;
  /** Megabytes that the image's author chooses, read from the disk each time. */
  readonly manifest: ImageManifest;
  readonly config: ImageConfig;
  /** The user of the configuration, `user[:group]`. */
  user: string;
  /** When it was created, in milliseconds since 1970; 0 where the configuration does not say. */
  created_ms: number;
  /** Digests and sizes of the configuration and the layers, as they travel. */
  blobs: { digest: string; size: number }[];
  /** Diff ids of the layers. */
  diffIds: string[];
  /** Layers as they travel, plus manifest and configuration, in bytes. */
  size_bytes: number;
}

/** The ids of all layers that an image may stand on: diff ids and chain ids. */
export function layersOf({ diffIds }: Pick<StoredImage, "diffIds">): string[] {
  return [...diffIds, ...chainIdsOf(diffIds)];
}

/** An image with its names, sorted. */
export interface NamedImage extends StoredImage {
  repoTags: string[];
  repoDigests: string[];
}

/**
 * The images of a runtime: content by digest, unpacked layers, and the names. Everything is on disk
 * under one folder; only names, digests and sizes are kept in memory.
 */
export class ImageStore {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly #index: IndexFile;
  readonly #turns = new KeyedTurns();
  readonly #unpackings = new FairTurns(LAYERS_UNPACKED_MAX, LAYERS_UNPACKED_OF_NAMESPACE_MAX);
  readonly #layersInUse: () => Iterable<string> | Promise<Iterable<string>>;
  readonly #kept: () => KeptContent | Promise<KeptContent>;
  #references = new Map<string, Target>();
  #images = new Map<string, StoredImage>();
  #arriving = 0;
  /** Digests and diff ids that pulls and additions need, which may have no name yet. */
  readonly #held = new Set<ReadonlySet<string>>();
  #collectDue = false;

  /**
   * `layersInUse` gives the ids of layers that containers stand on: they outlive their image.
   * `kept` is what a cache of builds keeps.
   */
  constructor(
    directory: string,
    layersInUse: () => Iterable<string> | Promise<Iterable<string>>,
    kept: () => KeptContent | Promise<KeptContent> = () => ({ layers: [], blobs: [] }),
  ) {
    const reserve = new DiskReserve(directory);
    this.blobs = new BlobStore(path.join(directory, "blobs"), reserve);
    this.layers = new LayerStore(path.join(directory, "layers"), reserve);
    this.#index = new IndexFile(directory);
    this.#layersInUse = layersInUse;
    this.#kept = kept;
  }

  /** Reads what is on disk and clears what interrupted work left. Once, before all else. */
  async open(): Promise<void> {
    this.#refresh();
    await this.layers.open();
    using alone = this.#index.tryCollect();
    if (alone) await this.blobs.removeTemporary();
    // With the next pull: which layers containers stand on is not known yet.
    this.#collectDue = true;
  }

  /**
   * Runs `work`, which stores content and then names it by `add`. No garbage is collected
   * meanwhile, since content without a name looks unused. Content that a failed `work` has stored
   * is kept only if the source was unreachable: the next attempt continues there.
   */
  async receive<T>(work: () => Promise<T>): Promise<T> {
    this.#arriving++;
    try {
      using _ = await this.#index.lockContent();
      return await this.#noteFailure(work);
    } finally {
      this.#arriving--;
      await this.#collectIfDue();
    }
  }

  /**
   * Runs `work` as `receive` does, beside which garbage is collected: `hold` names content, before
   * it is looked for or stored, that is kept until `work` has ended.
   */
  async pull<T>(work: (hold: (digest: string) => void) => Promise<T>): Promise<T> {
    const held = new Set<string>();
    this.#held.add(held);
    try {
      using _ = await this.#index.lockPull();
      return await this.#noteFailure(() => work((digest) => void held.add(digest)));
    } finally {
      this.#held.delete(held);
      await this.#collectIfDue();
    }
  }

  async #noteFailure<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (codeOf(error) !== "unavailable") this.#collectDue = true;
      throw error;
    }
  }

  /** Collects what earlier work left; a pull that has ended does not wait until it is removed. */
  async #collectIfDue(): Promise<void> {
    if (!this.#collectDue) return;
    await this.#turns.run("index", () => this.#collect());
    this.layers.removeDiscarded().catch(failureLog(log, "layers that no image needs stay"));
  }

  /**
   * Gives content that is in `blobs` a name and makes it ready to run. `target` is what the name
   * resolved to at its source, by default the manifest itself. Layers of several namespaces are
   * unpacked in rotation; none starts once the signal has aborted.
   */
  async add(
    name: string,
    manifestDigest: string,
    target = manifestDigest,
    { namespace = "", signal }: Pick<RegistryOptions, "namespace" | "signal"> = {},
  ): Promise<StoredImage> {
    const reference = formatReference(parseReference(name));
    const image = this.#readImage(manifestDigest);
    const { layers } = image.manifest;
    const chainIds = chainIdsOf(image.diffIds);
    const inTurn: InTurn = (work) =>
      this.#unpackings.run(namespace, () => {
        signal?.throwIfAborted();
        return work();
      });
    const held = new Set(layersOf(image));
    this.#held.add(held);
    try {
      for (const [index, layer] of layers.entries()) {
        const diffId = image.diffIds[index]!;
        const open = () => decompress(this.blobs.open(layer.digest), layer.mediaType);
        await this.layers.add(diffId, layer.digest, open, inTurn);
        if (index === 0) continue;
        const lower = this.lowerDirectories({ diffIds: image.diffIds.slice(0, index) });
        const blob = { diffId, digest: layer.digest };
        await this.layers.addOver(chainIds[index]!, blob, open, lower, inTurn);
      }
      await this.#change(() => {
        this.#references.set(reference, { target, manifest: manifestDigest });
        // Only now: what is listed can be run.
        this.#images.set(manifestDigest, image);
        this.#dropSurplus(reference);
      });
    } finally {
      this.#held.delete(held);
    }
    return image;
  }

  /** The image of a name or id (`sha256:...`), or undefined. A malformed name throws. */
  find(nameOrId: string): NamedImage | undefined {
    const image = this.#findStored(nameOrId);
    return image && this.#named(image, this.#references);
  }

  /** The only image whose id starts so, of as many digits at least; throws for several. */
  findByStart(start: string, digits: number): NamedImage | undefined {
    const text = start.replace(/^sha256:/, "");
    if (!/^[0-9a-f]{1,64}$/.test(text) || text.length < digits) return undefined;
    const found = new Map(
      this.list().flatMap((image) =>
        image.id.startsWith(`sha256:${text}`) ? [[image.id, image]] : [],
      ),
    );
    if (found.size < 2) return found.values().next().value;
    throw new RuntimeError("invalid-argument", `${found.size} images' ids start with ${start}`);
  }

  /** The image of a name or id; not-found when it is not here. */
  get(nameOrId: string): NamedImage {
    const image = this.find(nameOrId);
    if (!image) throw new RuntimeError("not-found", `image ${JSON.stringify(nameOrId)} not found`);
    return image;
  }

  list(): NamedImage[] {
    this.#refresh();
    const idOf = ([, { manifest }]: [string, Target]) => this.#images.get(manifest)?.id;
    const references = Map.groupBy(this.#references, idOf);
    return [...this.#images.values()].map((image) =>
      this.#named(image, references.get(image.id) ?? []),
    );
  }

  /** Removes an image with all its names, and the content that no other image needs. */
  async remove(nameOrId: string): Promise<void> {
    await this.#change(() => {
      const image = this.#findStored(nameOrId);
      if (!image) return;
      for (const [name, { manifest }] of this.#references) {
        if (this.#images.get(manifest)?.id === image.id) this.#references.delete(name);
      }
      for (const [digest, { id }] of this.#images) if (id === image.id) this.#images.delete(digest);
    });
    await this.collect();
  }

  /** Removes one name; the image goes with its last. Returns whether the name was there. */
  async untag(name: string): Promise<boolean> {
    const reference = formatReference(parseReference(name));
    let found = false;
    await this.#change(() => void (found = this.#references.delete(reference)));
    await this.collect();
    return found;
  }

  /** Removes content that nothing needs, now or when no more content arrives. */
  async collect(): Promise<void> {
    await this.#turns.run("index", () => this.#collect());
    await this.layers.removeDiscarded();
  }

  /** Bytes on disk of all content, also what containers or a cache of builds keep. */
  async storedBytes(): Promise<number> {
    return (await this.blobs.bytes()) + (await this.layers.bytes());
  }

  /**
   * Returns the disk usage of images, by default of all, from the recorded sizes: no tree is
   * walked. Content that is `counted` counts as nothing, and is added to it.
   */
  async diskUsage(
    images: Iterable<StoredImage> = this.#images.values(),
    counted = { blobs: new Set<string>(), layers: new Set<string>() },
  ): Promise<{ used_bytes: number; inodes: number }> {
    const blobs = new Map<string, number>();
    const ids = new Set<string>();
    for (const image of images) {
      for (const { digest, size } of image.blobs) {
        if (!counted.blobs.has(digest)) blobs.set(digest, size);
      }
      for (const id of layersOf(image)) if (!counted.layers.has(id)) ids.add(id);
    }
    for (const digest of blobs.keys()) counted.blobs.add(digest);
    for (const id of ids) counted.layers.add(id);
    const layers = await Promise.all([...ids].map((id) => this.layers.usage(id)));
    const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);
    return {
      used_bytes: sum(blobs.values()) + sum(layers.map((layer) => layer?.size_bytes ?? 0)),
      inodes: blobs.size + sum(layers.map((layer) => layer?.entries ?? 0)),
    };
  }

  /**
   * Folders of an image's layers, the topmost first, as overlayfs wants its lower directories. Of a
   * layer that comes again only the topmost: overlayfs refuses one twice (ELOOP), and all that a
   * lower one has is in the upper one too.
   */
  lowerDirectories({ diffIds }: Pick<StoredImage, "diffIds">): string[] {
    return [...new Set(this.layers.folders(diffIds).toReversed())];
  }

  /** Changes the names; other processes and calls wait. */
  async #change(change: () => void): Promise<void> {
    await this.#turns.run("index", async () => {
      using _ = await this.#index.lockNames();
      this.#refresh();
      change();
      await this.#index.write(this.#references);
      this.#dropUnnamed();
    });
  }

  /**
   * Drops names beyond IMAGE_NAMES_MAX, of the image that has most: the last ones before `added`.
   * An image's first names stay, also when pulls add others without end.
   */
  #dropSurplus(added: string): void {
    while (this.#references.size > IMAGE_NAMES_MAX) {
      const idOf = (name: string) => this.#images.get(this.#references.get(name)!.manifest)?.id;
      const names = [...Map.groupBy(this.#references.keys(), idOf).values()];
      const most = names.reduce((one, other) => (other.length > one.length ? other : one));
      const last = most.length > 1 ? most.findLast((name) => name !== added) : undefined;
      if (last === undefined) return;
      this.#references.delete(last);
    }
  }

  /** Reads the names again if another process has changed them. */
  #refresh(): void {
    const changed = this.#index.readChanged();
    if (changed === undefined) return;
    this.#references = changed;
    for (const [name, { manifest }] of this.#references) this.#load(name, manifest);
    this.#dropUnnamed();
  }

  #dropUnnamed(): void {
    const used = new Set([...this.#references.values()].map(({ manifest }) => manifest));
    for (const digest of this.#images.keys()) if (!used.has(digest)) this.#images.delete(digest);
  }

  #findStored(nameOrId: string): StoredImage | undefined {
    this.#refresh();
    for (const image of this.#images.values()) {
      if (image.id === nameOrId || image.id === `sha256:${nameOrId}`) return image;
    }
    if (nameOrId.startsWith("sha256:")) return undefined;
    const reference = formatReference(parseReference(nameOrId));
    const exact = this.#references.get(reference);
    if (exact) return this.#images.get(exact.manifest);
    // repository@digest also finds what came by tag.
    const { digest, ...rest } = parseReference(nameOrId);
    const repository = repositoryOf({ ...rest, digest });
    for (const [name, target] of this.#references) {
      const same = repositoryOf(parseReference(name)) === repository;
      if (same && digest !== undefined && target.target === digest) {
        return this.#images.get(target.manifest);
      }
    }
    return undefined;
  }

  #named(image: StoredImage, references: Iterable<[string, Target]>): NamedImage {
    const repoTags = new Set<string>();
    const repoDigests = new Set<string>();
    for (const [name, { manifest, target }] of references) {
      if (this.#images.get(manifest)?.id !== image.id) continue;
      const reference = parseReference(name);
      if (reference.digest === undefined) repoTags.add(name);
      repoDigests.add(`${repositoryOf(reference)}@${target}`);
    }
    // Inherits the rest, which is read when it is asked for.
    const named = Object.create(image) as NamedImage;
    named.repoTags = [...repoTags].sort();
    named.repoDigests = [...repoDigests].sort();
    return named;
  }

  /** Skips an image on disk that cannot be used. */
  #load(name: string, manifest: string): void {
    if (this.#images.has(manifest)) return;
    try {
      this.#images.set(manifest, this.#readImage(manifest));
    } catch (error) {
      if (!(error instanceof RuntimeError)) throw error;
      this.#references.delete(name);
      log.warn("an image is left out: pull it again", { image: name, error: messageOf(error) });
    }
  }

  /** Reads an image, of which megabytes stay on disk. */
  #readImage(manifestDigest: string): StoredImage {
    const { manifest, config, size_bytes } = this.#readContent(manifestDigest);
    const read = () => this.#readContent(manifestDigest);
    return {
      id: manifest.config.digest,
      manifestDigest,
      get manifest() {
        return read().manifest;
      },
      get config() {
        return read().config;
      },
      user: config.config?.User ?? "",
      created_ms: Date.parse(config.created ?? "") || 0,
      blobs: [manifest.config, ...manifest.layers].map(({ digest, size }) => ({ digest, size })),
      diffIds: config.rootfs.diff_ids,
      size_bytes: manifest.layers.reduce((sum, layer) => sum + layer.size, size_bytes),
    };
  }

  #readContent(manifestDigest: string) {
    const bytes = this.blobs.readSync(manifestDigest, MANIFEST_BYTES);
    const parsed = parseManifest(bytes);
    if (parsed.kind !== "manifest") {
      throw new RuntimeError("invalid-argument", `${manifestDigest} is an index, not an image`);
    }
    const { manifest } = parsed;
    const configBytes = this.blobs.readSync(manifest.config.digest, IMAGE_CONFIG_BYTES);
    const config = parseImageConfig(configBytes, manifest.layers.length);
    return { manifest, config, size_bytes: bytes.length + configBytes.length };
  }

  *#heldContent(): Generator<string> {
    for (const held of this.#held) yield* held;
  }

  /** Takes blobs and layers out of use that no image, no container and no pull needs. */
  async #collect(): Promise<void> {
    this.#collectDue = this.#arriving > 0;
    if (this.#collectDue) return;
    using alone = this.#index.tryCollect();
    this.#collectDue = alone === undefined;
    if (alone === undefined) return;
    this.#refresh();
    const kept = await this.#kept();
    const blobs = new Set<string>(kept.blobs);
    const layers = new Set<string>([...(await this.#layersInUse()), ...kept.layers]);
    for (const { target } of this.#references.values()) blobs.add(target);
    for (const image of this.#images.values()) {
      blobs.add(image.manifestDigest);
      for (const { digest } of image.blobs) blobs.add(digest);
      for (const id of layersOf(image)) layers.add(id);
    }
    for (const digest of await this.blobs.list()) {
      const isHeld = [...this.#held].some((held) => held.has(digest));
      if (!blobs.has(digest) && !isHeld) await this.blobs.remove(digest);
    }
    await this.layers.retain(layers, () => this.#heldContent());
  }
}
