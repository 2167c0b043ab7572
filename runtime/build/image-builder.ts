import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { writeLayout } from "../image/archive.ts";
import { digestOf } from "../image/blobs.ts";
import type { ImageConfig, ImageDefaults } from "../image/config.ts";
import { type Descriptor, hostPlatform, type ImageManifest, MediaType } from "../image/manifest.ts";
import type { ImageStore } from "../image/store.ts";
import { type TarInput, writeTar } from "../image/tar/write.ts";

/** An image of one layer, made on this machine. */
export interface ImageRecipe {
  name: string;
  /** The layer's content; owners and times are the same for every build. */
  entries: TarInput[];
  config: ImageDefaults;
}

/** The same for every build, so that the same content has the same digest. */
const EPOCH = new Date(0);

async function layerOf(entries: TarInput[]): Promise<Buffer> {
  const fixed = entries.map((entry) => ({ uid: 0, gid: 0, mtime: EPOCH, ...entry }));
  return buffer(writeTar(fixed));
}

/** An image that is nowhere yet: its manifest, and all content it names, by digest. */
type MadeImage = { manifestDigest: string; blobs: Map<string, Buffer> };

type MadeLayer = { readonly content: Buffer; readonly digest: string };

async function makeLayer(entries: TarInput[]): Promise<MadeLayer> {
  const content = await layerOf(entries);
  return { content, digest: digestOf(content) };
}

async function makeImage(recipe: ImageRecipe, made?: MadeLayer): Promise<MadeImage> {
  const { content, digest } = made ?? (await makeLayer(recipe.entries));
  const blobs = new Map([[digest, content]]);
  const addBlob = (blob: Buffer) => {
    const named = digestOf(blob);
    blobs.set(named, blob);
    return { digest: named, size: blob.length };
  };
  const layer = { digest, size: content.length };
  const config: ImageConfig = {
    ...hostPlatform(),
    created: EPOCH.toISOString(),
    config: recipe.config,
    rootfs: { type: "layers", diff_ids: [layer.digest] },
    history: [{ created_by: "raft2kube" }],
  };
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: { mediaType: MediaType.ociConfig, ...addBlob(Buffer.from(JSON.stringify(config))) },
    layers: [{ mediaType: MediaType.ociLayer, ...layer }],
  };
  const { digest: manifestDigest } = addBlob(Buffer.from(JSON.stringify(manifest)));
  return { manifestDigest, blobs };
}

/**
 * Builds an image straight into the store: no archive in between. Returns its manifest's digest.
 */
export function buildImage(store: ImageStore, recipe: ImageRecipe): Promise<string> {
  return store.receive(async () => {
    const { manifestDigest, blobs } = await makeImage(recipe);
    for (const content of blobs.values()) await store.blobs.put(content);
    await store.add(recipe.name, manifestDigest);
    return manifestDigest;
  });
}

/**
 * Builds images as the tar of an OCI image layout, which every runtime can load. Those without
 * entries have the layer of the first, made once.
 */
export async function buildArchive(
  first: ImageRecipe,
  others: readonly (Omit<ImageRecipe, "entries"> & Partial<ImageRecipe>)[] = [],
): Promise<Readable> {
  const layer = await makeLayer(first.entries);
  const all = new Map<string, Buffer>();
  const named = new Map<string, Descriptor>();
  for (const image of [first, ...others]) {
    const { entries = first.entries } = image;
    const made = entries === first.entries ? layer : undefined;
    const { manifestDigest: digest, blobs } = await makeImage({ ...image, entries }, made);
    for (const [each, content] of blobs) all.set(each, content);
    const size = blobs.get(digest)!.length;
    named.set(image.name, { mediaType: MediaType.ociManifest, digest, size });
  }
  return writeLayout(named, all);
}

/** The hash of a recipe's content: whether an image must be built again. */
export function recipeHash(recipe: ImageRecipe): string {
  const hash = createHash("sha256");
  for (const { content = "", ...header } of recipe.entries) {
    hash.update(JSON.stringify(header));
    hash.update(digestOf(Buffer.from(content)));
  }
  return hash.update(JSON.stringify(recipe.config)).digest("hex");
}
