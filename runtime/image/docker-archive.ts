import path from "node:path";
import { MANIFEST_BYTES } from "../limits.ts";
import { RuntimeError } from "../errors.ts";
import { MediaType, type Descriptor, type ImageManifest } from "./manifest.ts";
import { parseReference } from "./reference.ts";
import type { ImageStore } from "./store.ts";

/** One image of `manifest.json` in an archive of `docker save` before version 25. */
interface SavedImage {
  Config: string;
  RepoTags?: string[] | null;
  Layers: string[];
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
    // Saved layers are plain tars, whatever their names end in.
    layers: image.Layers.map((name) => describe(name, MediaType.ociLayer)),
  };
}

/** Names the images of a docker archive whose files are in the store; returns the names. */
export async function loadDockerArchive(
  store: ImageStore,
  archive: ArchiveFiles,
  options: { as?: string },
): Promise<string[]> {
  const { digest } = find(archive, "manifest.json");
  const text = (await store.blobs.read(digest, MANIFEST_BYTES)).toString("utf8");
  const images = JSON.parse(text) as SavedImage[];
  const names: string[] = [];
  for (const image of images) {
    const manifest = Buffer.from(JSON.stringify(manifestOf(archive, image)));
    const manifestDigest = await store.blobs.put(manifest);
    const tags = image.RepoTags?.length ? image.RepoTags : options.as ? [options.as] : [];
    if (tags.length === 0) throw unnamed(image.Config);
    for (const name of tags) {
      parseReference(name);
      await store.add(name, manifestDigest);
      names.push(name);
    }
  }
  return names;
}

/** An archive holds an image that could not be asked for afterwards. */
export function unnamed(digest: string): RuntimeError {
  return new RuntimeError("invalid-argument", `image ${digest} has no name`, {
    remedy: "name it: skopeo copy oci:FOLDER:TAG oci-archive:FILE:HOST/NAME:TAG",
  });
}
