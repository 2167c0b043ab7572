import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { RuntimeError } from "../errors.ts";
import {
  ARCHIVE_ENTRIES,
  ARCHIVE_NAME_BYTES,
  INDEX_DEPTH,
  LAYER_BYTES,
  MANIFEST_BYTES,
} from "../limits.ts";
import {
  type ArchiveFiles,
  type LoadOptions,
  loadDockerArchive,
  requireFew,
  unnamed,
} from "./docker-archive.ts";
import { malformed } from "./json.ts";
import { choosePlatform, type Descriptor, MediaType, parseManifest } from "./manifest.ts";
import { readBounded } from "./read-bounded.ts";
import { parseReference } from "./reference.ts";
import type { ImageStore } from "./store.ts";
import { tarEntries } from "./tar/read.ts";
import { type TarInput, writeTar } from "./tar/write.ts";

/** Where tools write an image's name in a layout's index: containerd's, then the image spec's. */
const NAME_ANNOTATIONS = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

function nameOf(descriptor: Descriptor): string | undefined {
  for (const annotation of NAME_ANNOTATIONS) {
    const name = descriptor.annotations?.[annotation];
    // The spec also allows a bare tag there, which names no repository.
    if (name !== undefined && /[/:]/.test(name)) return name;
  }
  return undefined;
}

/** The manifest for this machine that a descriptor points to. */
async function manifestFor(store: ImageStore, digest: string, depth = 0): Promise<string> {
  const parsed = parseManifest(await store.blobs.read(digest, MANIFEST_BYTES));
  if (parsed.kind === "manifest") return digest;
  if (depth === INDEX_DEPTH) throw malformed(`more than ${INDEX_DEPTH} indexes within each other`);
  return manifestFor(store, choosePlatform(parsed.index).digest, depth + 1);
}

/**
 * Loads images from a tar: an OCI image layout (`docker save` from 25 on, `skopeo copy
 * oci-archive:`, `buildah push oci-archive:`, `ctr images export`) or docker's older form
 * (`docker-archive:`). Returns the names.
 * Content that says its digest is checked against it.
 */
export const loadArchive = (
  store: ImageStore,
  source: Readable,
  options: LoadOptions = {},
): Promise<string[]> => store.receive(() => load(store, source, options));

/** Loads the images of an archive whose names the store has not; returns the names. */
export async function loadMissing(store: ImageStore, path: string): Promise<string[]> {
  const source = (await open(path)).createReadStream();
  return loadArchive(store, source, { wants: (name) => store.find(name) === undefined });
}

async function load(store: ImageStore, source: Readable, options: LoadOptions): Promise<string[]> {
  let index: Buffer | undefined;
  const others: ArchiveFiles = { files: new Map(), links: new Map() };
  let entries = 0;
  for await (const { header, content } of tarEntries(source)) {
    if (++entries > ARCHIVE_ENTRIES) {
      throw malformed(`the archive has more than ${ARCHIVE_ENTRIES} files`);
    }
    if (Math.max(header.name.length, header.linkname.length) > ARCHIVE_NAME_BYTES) {
      throw malformed(`a name of more than ${ARCHIVE_NAME_BYTES} bytes in the archive`);
    }
    const name = header.name.toString("utf8").replace(/^\.\//, "");
    const blob = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/.exec(name);
    if (header.type === "symlink") others.links.set(name, header.linkname.toString("utf8"));
    if (header.type !== "file") continue;
    if (name === "index.json") {
      index = await readBounded(content, MANIFEST_BYTES, name);
    } else {
      const expected = blob ? { digest: `${blob[1]}:${blob[2]}` } : {};
      const limit_bytes = LAYER_BYTES;
      others.files.set(name, await store.blobs.receive(content, { ...expected, limit_bytes }));
    }
  }
  if (index !== undefined) return loadLayout(store, index, options);
  if (others.files.has("manifest.json")) return loadDockerArchive(store, others, options);
  const message = "the archive holds neither an OCI image layout nor what docker saves";
  throw new RuntimeError("invalid-argument", message);
}

/** Names the images of an OCI layout whose blobs are in the store. */
async function loadLayout(
  store: ImageStore,
  index: Buffer,
  options: LoadOptions,
): Promise<string[]> {
  const parsed = parseManifest(index);
  if (parsed.kind !== "index") throw new RuntimeError("invalid-argument", "index.json is no index");
  requireFew(parsed.index.manifests);
  const names: string[] = [];
  for (const descriptor of parsed.index.manifests) {
    const name = nameOf(descriptor) ?? options.as;
    if (name === undefined) throw unnamed(descriptor.digest);
    parseReference(name);
    if (options.wants?.(name) === false) continue;
    const manifest = await manifestFor(store, descriptor.digest);
    await store.add(name, manifest, descriptor.digest);
    names.push(name);
  }
  return names;
}

/** An image as a tar of an OCI image layout. Blobs are read into memory: for images of some MB. */
export async function saveArchive(store: ImageStore, name: string): Promise<Readable> {
  const image = store.get(name);
  const { manifest, manifestDigest } = image;
  const manifestBytes = await store.blobs.read(manifestDigest, MANIFEST_BYTES);
  const digests = [manifest.config.digest, ...manifest.layers.map(({ digest }) => digest)];
  const blobs = new Map([[manifestDigest, manifestBytes]]);
  for (const digest of digests) blobs.set(digest, await store.blobs.read(digest, LAYER_BYTES));
  const mediaType = manifest.mediaType ?? MediaType.ociManifest;
  const size = manifestBytes.length;
  return writeLayout(new Map([[name, { mediaType, digest: manifestDigest, size }]]), blobs);
}

/** The tar of an OCI image layout that holds the named images, all of it in memory. */
export function writeLayout(
  images: ReadonlyMap<string, Descriptor>,
  blobs: ReadonlyMap<string, Buffer>,
): Readable {
  const manifests = [...images].map(([name, manifest]) => {
    const annotations = Object.fromEntries(NAME_ANNOTATIONS.map((key) => [key, name]));
    return { ...manifest, annotations };
  });
  const index = { schemaVersion: 2, manifests };
  const entries: TarInput[] = [
    { name: "oci-layout", content: JSON.stringify({ imageLayoutVersion: "1.0.0" }) },
    { name: "index.json", content: JSON.stringify(index) },
  ];
  for (const [digest, content] of blobs) {
    entries.push({ name: `blobs/${digest.replace(":", "/")}`, content });
  }
  return writeTar(entries);
}
