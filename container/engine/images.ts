import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { pullImage } from "@raft2kube/runtime/image/pull.ts";
import { parseReference } from "@raft2kube/runtime/image/reference.ts";
import { ImageStore, type NamedImage } from "@raft2kube/runtime/image/store.ts";
import { layersOfOthers } from "@raft2kube/runtime/other-records.ts";
import { keptByCache } from "../build/cache.ts";
import { authFor } from "../registry/auth-file.ts";
import type { Host } from "./host.ts";
import type { Engine } from "./open-engine.ts";

/** The repository of images that were given no name, by the digests of their manifests. */
const UNTAGGED = "r2k.local/untagged";

/** The name under which an image without one is kept. */
export const untaggedName = (manifestDigest: string): string => `${UNTAGGED}@${manifestDigest}`;

export const isUntagged = ({ repoTags }: NamedImage): boolean => repoTags.length === 0;

/** A name as people write it: without docker's own registry. */
export function shortName(name: string): string {
  return name.replace(/^docker\.io\/library\//, "").replace(/^docker\.io\//, "");
}

/** The images of a host. */
export type OpenImages = { readonly host: Host; readonly images: ImageStore };

/**
 * Opens the images alone: other commands go on meanwhile, which may be at the other end of a pipe,
 * or have to wait for a registry.
 */
export async function openImages(host: Host): Promise<OpenImages> {
  const inUse = () => layersOfOthers([host.nodeRoot, host.root]);
  const images = new ImageStore(host.imagesDir, inUse, () => keptByCache(host.imagesDir));
  await images.open();
  return { host, images };
}

/** Digits of an id, from which on one is looked for by its start. */
const ID_DIGITS_MIN = 4;

/** The image of a name, or else of an id, or the beginning of one. */
export const findImage = (
  { images }: Pick<OpenImages, "images">,
  name: string,
): NamedImage | undefined => images.find(name) ?? images.findByStart(name, ID_DIGITS_MIN);

/** Throws not-found. */
export function getImage(from: Pick<OpenImages, "images">, name: string): NamedImage {
  const found = findImage(from, name);
  if (found) return found;
  throw new RuntimeError("not-found", `no such image: ${name}`, {
    remedy: `r2k container pull ${name}, or r2k container images`,
  });
}

/** The registry of an image's name, with the credentials of `login`. */
export async function registryOf({ registries: endpoints, clock }: Host, name: string) {
  const auth = await authFor(parseReference(name).domain);
  return { endpoints, clock, ...(auth && { auth }) };
}

/** Fetches an image from its registry. */
export async function fetchImage(
  { images, host }: OpenImages,
  name: string,
  options: { signal?: AbortSignal } = {},
): Promise<NamedImage> {
  await pullImage(images, name, { ...(await registryOf(host, name)), ...options });
  return images.get(name);
}

/** The containers that stand on images: those made by hand, and those of pods. */
export async function usersOfImages({ containers, runtime }: Engine) {
  const own = containers.all().map(({ record }) => record);
  return [...own, ...(await runtime.others.containers())];
}

/** Fetches the image to run when it is missing, or `always`. */
export async function imageToRun(open: OpenImages, name: string, when: string): Promise<void> {
  const found = findImage(open, name);
  if (when === "never" && found === undefined) getImage(open, name);
  if (when === "never" || (found && when !== "always")) return;
  if (!found) process.stderr.write(`Unable to find image '${name}' locally\n`);
  await fetchImage(open, name);
}
