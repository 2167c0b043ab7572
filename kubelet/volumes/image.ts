import type { VolumePlugin } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * `image` volumes: an image's files, read-only. The runtime mounts them into each container, which
 * is when they are pulled; nothing is on disk for the pod.
 */
export const imagePlugin = (): VolumePlugin => ({
  name: "kubernetes.io~image",
  supports: ({ volume }) => volume.image !== undefined,
  async setUp({ spec }) {
    const { reference = "", pullPolicy } = spec.volume.image ?? {};
    if (reference === "") throw new VolumeError("NotFound", "the image volume has no reference");
    return { kind: "image", image: reference, pullPolicy };
  },
  tearDown: async () => {},
});
