import { RuntimeError } from "../errors.ts";
import { IMAGE_CONFIG_BYTES, INDEX_DEPTH, LAYER_BYTES, LAYERS_AT_ONCE } from "../limits.ts";
import { malformed } from "./json.ts";
import { choosePlatform, type Descriptor, parseManifest } from "./manifest.ts";
import { parseReference } from "./reference.ts";
import { type RegistryOptions, RegistryRepository } from "./registry.ts";
import type { ImageStore, StoredImage } from "./store.ts";

interface Pull {
  store: ImageStore;
  repository: RegistryRepository;
  /** Keeps content that has no name yet. */
  hold(digest: string): void;
}

async function fetchBlob(
  { store, repository, hold }: Pull,
  descriptor: Descriptor,
  limit_bytes: number,
): Promise<void> {
  const { digest, size } = descriptor;
  hold(digest);
  if (size > limit_bytes) {
    const message = `${digest} has ${size} bytes, at most ${limit_bytes} are supported`;
    throw new RuntimeError("resource-exhausted", message);
  }
  if ((await store.blobs.size(digest)) === size) return;
  await store.blobs.receive(await repository.blob(descriptor), { digest, size, limit_bytes: size });
}

/** Stores what a name resolves to, an index and then the manifest in it for this machine. */
async function fetchManifest({ store, repository, hold }: Pull, which: string) {
  let target: string | undefined;
  for (let [wanted, depth] = [which, 0]; depth <= INDEX_DEPTH; depth++) {
    const { digest, bytes } = await repository.manifest(wanted);
    const parsed = parseManifest(bytes);
    hold(digest);
    await store.blobs.put(bytes, digest);
    target ??= digest;
    if (parsed.kind === "manifest") return { target, digest, manifest: parsed.manifest };
    wanted = choosePlatform(parsed.index).digest;
  }
  throw malformed(`more than ${INDEX_DEPTH} indexes within each other`);
}

/** Fetches layers, a few at a time; the first failure ends the others. */
async function fetchLayers(
  layers: readonly Descriptor[],
  fetch: (layer: Descriptor) => Promise<void>,
  cancel: () => void,
): Promise<void> {
  const waiting = [...layers];
  const failures: unknown[] = [];
  const worker = async () => {
    try {
      for (let layer = waiting.shift(); layer; layer = waiting.shift()) await fetch(layer);
    } catch (error) {
      failures.push(error);
      waiting.length = 0;
      cancel();
    }
  };
  await Promise.all(Array.from({ length: LAYERS_AT_ONCE }, worker));
  if (failures.length > 0) throw failures[0];
}

/**
 * Pulls an image by the distribution spec: manifest, configuration, layers a few at a time, every
 * byte checked against its digest; what is here already is not fetched again. When the signal
 * aborts, so does the pull.
 */
export function pullImage(
  store: ImageStore,
  name: string,
  options: RegistryOptions,
): Promise<StoredImage> {
  const reference = parseReference(name);
  const failed = new AbortController();
  const signal = AbortSignal.any([failed.signal, ...(options.signal ? [options.signal] : [])]);
  const repository = new RegistryRepository(reference, { ...options, signal });
  return store.pull(async (hold) => {
    const pull = { store, repository, hold };
    const which = reference.digest ?? reference.tag!;
    const { target, digest, manifest } = await fetchManifest(pull, which);
    await fetchBlob(pull, manifest.config, IMAGE_CONFIG_BYTES);
    await fetchLayers(
      manifest.layers,
      (layer) => fetchBlob(pull, layer, LAYER_BYTES),
      () => failed.abort(),
    );
    return store.add(name, digest, target, options);
  });
}
