import type { HistoryEntry, ImageConfig, ImageDefaults } from "@raft2kube/runtime/image/config.ts";
import {
  type Descriptor,
  hostPlatform,
  type ImageManifest,
  MediaType,
} from "@raft2kube/runtime/image/manifest.ts";
import type { ImageStore, NamedImage } from "@raft2kube/runtime/image/store.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { untaggedName } from "../engine/images.ts";
import type { MadeLayer } from "./layer.ts";

/** An image that is being made: its layers as they lie in the store, and its configuration. */
export interface Draft {
  layers: Descriptor[];
  diffIds: string[];
  defaults: ImageDefaults;
  history: HistoryEntry[];
  author?: string;
  platform: { os: string; architecture: string };
}

export function emptyDraft(): Draft {
  return { layers: [], diffIds: [], defaults: {}, history: [], platform: hostPlatform() };
}

/** A draft that stands on an image. */
export function draftOf({ manifest, config }: NamedImage): Draft {
  const { os, architecture, author } = config;
  return {
    layers: manifest.layers.map(({ mediaType, digest, size }) => {
      return { mediaType: ociType(mediaType), digest, size };
    }),
    diffIds: config.rootfs.diff_ids,
    defaults: config.config ?? {},
    history: config.history ?? [],
    ...(author !== undefined && { author }),
    platform: { os, architecture },
  };
}

/** docker's names of layers in the image spec's words. */
function ociType(mediaType: string): string {
  const compression = /[.+](gzip|zstd)$/.exec(mediaType)?.[1];
  return compression ? `${MediaType.ociLayer}+${compression}` : MediaType.ociLayer;
}

/** The time of what changes no file: the one before, so that cached builds are the same. */
export function createdOf(
  { history }: Draft,
  { epoch_ms }: { epoch_ms: number | undefined },
  clock: Clock,
): string {
  const last = epoch_ms === undefined ? history.at(-1)?.created : undefined;
  return last ?? new Date(epoch_ms ?? clock.now()).toISOString();
}

/**
 * A draft with one more step: its layer, which lies in the store as the plain tar (its digest is
 * the diff id), and its history; a step without a layer says so there (`empty_layer`).
 */
export function withStep(draft: Draft, layer: MadeLayer | undefined, step: HistoryEntry): Draft {
  // lab:01b begin with-step
  if (layer === undefined) {
    return { ...draft, history: [...draft.history, { ...step, empty_layer: true }] };
  }
  const { diffId: digest, size } = layer;
  return {
    ...draft,
    layers: [...draft.layers, { mediaType: MediaType.ociLayer, digest, size }],
    diffIds: [...draft.diffIds, digest],
    history: [...draft.history, step],
  };
  // lab:01b end
}

/**
 * Stores an image: its configuration, which lists the layers' diff ids and the history, and its
 * manifest, which has the digests and sizes of configuration and layers. The image is named, by its
 * own digest where it is given no name. Call it within `receive`.
 */
export async function storeImage(
  images: ImageStore,
  draft: Draft,
  { names, created }: { names: readonly string[]; created: string },
): Promise<NamedImage> {
  // lab:01b begin store-image
  const { defaults, history, author, platform, diffIds } = draft;
  const config: ImageConfig = {
    ...platform,
    created,
    ...(author !== undefined && { author }),
    config: defaults,
    rootfs: { type: "layers", diff_ids: diffIds },
    history,
  };
  const put = async (mediaType: string, value: object): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify(value));
    return { mediaType, digest: await images.blobs.put(bytes), size: bytes.length };
  };
  const manifest: ImageManifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: await put(MediaType.ociConfig, config),
    layers: draft.layers,
  };
  const { digest } = await put(MediaType.ociManifest, manifest);
  for (const name of names.length > 0 ? names : [untaggedName(digest)])
    await images.add(name, digest);
  return images.get(manifest.config.digest);
  // lab:01b end
}
