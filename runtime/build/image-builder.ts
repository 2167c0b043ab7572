import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import {
  hostPlatform,
  MediaType,
  type ImageConfig,
  type ImageManifest,
} from "../image/manifest.ts";
import { digestOf } from "../image/blobs.ts";
import type { ImageStore } from "../image/store.ts";
import { writeTar, type TarInput } from "../image/tar.ts";

/** An image of one layer, made on this machine. */
export interface ImageRecipe {
  name: string;
  /** What the layer holds; owners and times are the same for every build. */
  entries: TarInput[];
  config: NonNullable<ImageConfig["config"]>;
}

/** The same for every build, so that the same content has the same digest. */
const EPOCH = new Date(0);

async function layerOf(entries: TarInput[]): Promise<Buffer> {
  const fixed = entries.map((entry) => ({ uid: 0, gid: 0, mtime: EPOCH, ...entry }));
  return buffer(writeTar(fixed));
}

/**
 * Builds an image straight into the store: no archive in between. Returns its manifest's digest.
 */
export function buildImage(store: ImageStore, recipe: ImageRecipe): Promise<string> {
  return store.receive(async () => {
    const layer = await layerOf(recipe.entries);
    const layerDigest = await store.blobs.put(layer);
    const config: ImageConfig = {
      ...hostPlatform(),
      created: EPOCH.toISOString(),
      config: recipe.config,
      rootfs: { type: "layers", diff_ids: [layerDigest] },
      history: [{ created_by: "raft2kube" }],
    };
    const configBytes = Buffer.from(JSON.stringify(config));
    const manifest: ImageManifest = {
      schemaVersion: 2,
      mediaType: MediaType.ociManifest,
      config: {
        mediaType: MediaType.ociConfig,
        digest: await store.blobs.put(configBytes),
        size: configBytes.length,
      },
      layers: [{ mediaType: MediaType.ociLayer, digest: layerDigest, size: layer.length }],
    };
    const manifestDigest = await store.blobs.put(Buffer.from(JSON.stringify(manifest)));
    await store.add(recipe.name, manifestDigest);
    return manifestDigest;
  });
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
