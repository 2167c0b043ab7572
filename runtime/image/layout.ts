import { MediaType } from "./manifest.ts";
import { formatReference, parseReference } from "./reference.ts";
import type { ImageStore, NamedImage } from "./store.ts";
import { headersOf, paddingOf, tarEnd } from "./tar/write.ts";

function* small(name: string, value: unknown): Generator<Uint8Array> {
  const bytes = Buffer.from(JSON.stringify(value));
  yield* headersOf({ name }, bytes.length);
  yield bytes;
  yield paddingOf(bytes.length);
}

const place = (digest: string) => `blobs/${digest.replace(":", "/")}`;

/**
 * A tar of images, as `docker save` writes it from 25 on: an OCI image layout that is docker's
 * older form too, by a `manifest.json` over the same blobs. Blobs are streamed.
 */
export async function* layoutOf(
  store: ImageStore,
  images: readonly { name: string; image: NamedImage }[],
): AsyncGenerator<Uint8Array> {
  const named = images.map(({ name, image }) => {
    const isId = image.id === name || image.id.startsWith(`sha256:${name}`);
    const full = isId ? image.repoTags[0] : formatReference(parseReference(name));
    return { full, image };
  });
  yield* small("oci-layout", { imageLayoutVersion: "1.0.0" });
  yield* small("index.json", {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: await Promise.all(
      named.map(async ({ full, image }) => ({
        mediaType: image.manifest.mediaType ?? MediaType.ociManifest,
        digest: image.manifestDigest,
        size: await store.blobs.size(image.manifestDigest),
        ...(full !== undefined && {
          annotations: {
            "io.containerd.image.name": full,
            "org.opencontainers.image.ref.name": full,
          },
        }),
      })),
    ),
  });
  yield* small(
    "manifest.json",
    named.map(({ full, image }) => ({
      Config: place(image.manifest.config.digest),
      RepoTags: full === undefined ? [] : [full],
      Layers: image.manifest.layers.map(({ digest }) => place(digest)),
    })),
  );
  const digests = new Set(
    images.flatMap(({ image: { manifest, manifestDigest } }) => [
      manifestDigest,
      manifest.config.digest,
      ...manifest.layers.map(({ digest }) => digest),
    ]),
  );
  for (const digest of digests) {
    const size = (await store.blobs.size(digest))!;
    yield* headersOf({ name: place(digest) }, size);
    yield* store.blobs.open(digest) as AsyncIterable<Buffer>;
    yield paddingOf(size);
  }
  yield tarEnd();
}
