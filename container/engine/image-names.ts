import type { NamedImage } from "@raft2kube/runtime/image/store.ts";

/** The repository of images that were given no name, by the digests of their manifests. */
const UNTAGGED = "r2k.local/untagged";

/** The name under which an image without one is kept. */
export const untaggedName = (manifestDigest: string): string => `${UNTAGGED}@${manifestDigest}`;

export const isUntagged = ({ repoTags }: NamedImage): boolean => repoTags.length === 0;

/** A name as people write it: without docker's own registry. */
export function shortName(name: string): string {
  return name.replace(/^docker\.io\/library\//, "").replace(/^docker\.io\//, "");
}
