import type { AuthConfig } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { IMAGE_CONFIG_BYTES, LAYER_BYTES, LAYERS_AT_ONCE } from "../limits.ts";
import { choosePlatform, parseManifest, type Descriptor } from "./manifest.ts";
import { parseReference } from "./reference.ts";
import { RegistryRepository, type RegistryEndpoints } from "./registry.ts";
import type { ImageStore, StoredImage } from "./store.ts";

export interface PullOptions {
  auth?: Partial<AuthConfig>;
  endpoints: RegistryEndpoints;
  clock: Clock;
}

async function fetchBlob(
  store: ImageStore,
  repository: RegistryRepository,
  descriptor: Descriptor,
  limit_bytes: number,
): Promise<void> {
  const { digest, size } = descriptor;
  if ((await store.blobs.size(digest)) === size) return;
  await store.blobs.receive(await repository.blob(digest), { digest, size, limit_bytes });
}

/** Stores what a name resolves to, an index and then the manifest in it for this machine. */
async function fetchManifest(store: ImageStore, repository: RegistryRepository, which: string) {
  const { digest: target, bytes } = await repository.manifest(which);
  await store.blobs.put(bytes);
  let found = { digest: target, parsed: parseManifest(bytes) };
  while (found.parsed.kind === "index") {
    const chosen = choosePlatform(found.parsed.index);
    const next = await repository.manifest(chosen.digest);
    await store.blobs.put(next.bytes);
    found = { digest: next.digest, parsed: parseManifest(next.bytes) };
  }
  return { target, digest: found.digest, manifest: found.parsed.manifest };
}

/**
 * Pulls an image by the distribution spec: manifest, configuration, layers a few at a time, every
 * byte checked against its digest; what is here already is not fetched again.
 */
export function pullImage(
  store: ImageStore,
  name: string,
  options: PullOptions,
): Promise<StoredImage> {
  const reference = parseReference(name);
  const repository = new RegistryRepository(reference, options);
  return store.receive(async () => {
    const which = reference.digest ?? reference.tag!;
    const { target, digest, manifest } = await fetchManifest(store, repository, which);
    await fetchBlob(store, repository, manifest.config, IMAGE_CONFIG_BYTES);
    const waiting = [...manifest.layers];
    const worker = async () => {
      for (let layer = waiting.shift(); layer; layer = waiting.shift()) {
        await fetchBlob(store, repository, layer, LAYER_BYTES);
      }
    };
    await Promise.all(Array.from({ length: LAYERS_AT_ONCE }, worker));
    return store.add(name, digest, target);
  });
}
