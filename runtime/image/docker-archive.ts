import path from "node:path";
import { RuntimeError } from "../errors.ts";
import { ARCHIVE_IMAGES, MANIFEST_BYTES } from "../limits.ts";
import { Fields, malformed, parseJson } from "./json.ts";
import { type Descriptor, type ImageManifest, MediaType } from "./manifest.ts";
import { parseReference } from "./reference.ts";
import type { ImageStore } from "./store.ts";

/** One image of `manifest.json` in an archive of `docker save` before version 25. */
type SavedImage = { Config: string; RepoTags: string[]; Layers: string[] };

function decodeSaved(value: unknown): SavedImage[] {
  if (!Array.isArray(value)) throw malformed("manifest.json is not a list");
  return value.map((entry) => {
    const fields = new Fields(entry, "an image of manifest.json");
    const [Config, Layers] = [fields.text("Config"), fields.texts("Layers")];
    if (Config === undefined || Layers === undefined) {
      throw malformed("an image of manifest.json has no Config or no Layers");
    }
    return { Config, Layers, RepoTags: fields.texts("RepoTags") ?? [] };
  });
}

/** Files of an archive by name, put into the store as blobs; links by where they lead. */
export interface ArchiveFiles {
  files: Map<string, { digest: string; size: number }>;
  links: Map<string, string>;
}

function find(archive: ArchiveFiles, name: string): { digest: string; size: number } {
  const target = archive.links.get(name);
  const followed = target === undefined ? name : path.join(path.dirname(name), target);
  const found = archive.files.get(followed);
  if (found) return found;
  throw new RuntimeError("invalid-argument", `the archive lacks ${JSON.stringify(name)}`);
}

/** The manifest that the archive's image would have at a registry. */
function manifestOf(archive: ArchiveFiles, image: SavedImage): ImageManifest {
  const describe = (name: string, mediaType: string): Descriptor => ({
    mediaType,
    ...find(archive, name),
  });
  return {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: describe(image.Config, MediaType.ociConfig),
    // Saved layers are plain tars, regardless of their names' endings.
    layers: image.Layers.map((name) => describe(name, MediaType.ociLayer)),
  };
}

export interface LoadOptions {
  /** Names an image that has no name of its own inside. */
  as?: string;
  /** Selects the images that get their names; default all. */
  wants?(name: string): boolean;
}

/** Names the images of a docker archive whose files are in the store; returns the names. */
export async function loadDockerArchive(
  store: ImageStore,
  archive: ArchiveFiles,
  options: LoadOptions,
): Promise<string[]> {
  const { digest } = find(archive, "manifest.json");
  const text = await store.blobs.read(digest, MANIFEST_BYTES);
  const images = decodeSaved(parseJson(text, "manifest.json"));
  requireFew(images.flatMap(({ RepoTags }) => (RepoTags.length > 0 ? RepoTags : [""])));
  const names: string[] = [];
  for (const image of images) {
    const manifest = Buffer.from(JSON.stringify(manifestOf(archive, image)));
    const manifestDigest = await store.blobs.put(manifest);
    const tags = image.RepoTags.length > 0 ? image.RepoTags : options.as ? [options.as] : [];
    if (tags.length === 0) throw unnamed(image.Config);
    for (const name of tags) {
      parseReference(name);
      if (options.wants?.(name) === false) continue;
      await store.add(name, manifestDigest);
      names.push(name);
    }
  }
  return names;
}

/** Throws for an archive of more images: each name is written, and listed from then on. */
export function requireFew(names: readonly unknown[]): void {
  if (names.length <= ARCHIVE_IMAGES) return;
  const message = `the archive names ${names.length} images, at most ${ARCHIVE_IMAGES} are loaded`;
  const remedy = "load them in several archives";
  throw new RuntimeError("resource-exhausted", message, { remedy });
}

/** An archive holds an image that could not be asked for afterwards. */
export function unnamed(digest: string): RuntimeError {
  return new RuntimeError("invalid-argument", `image ${digest} has no name`, {
    remedy: "name it: skopeo copy oci:FOLDER:TAG oci-archive:FILE:HOST/NAME:TAG",
  });
}
