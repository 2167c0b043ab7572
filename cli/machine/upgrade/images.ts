import { join } from "node:path";
import { loadMissing } from "@raft2kube/runtime/image/archive.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { layersOfOthers } from "@raft2kube/runtime/other-records.ts";
import { API_LEVEL } from "../../version.ts";
import type { MachineContext } from "../context.ts";
import { NODE_AGENT } from "../layout.ts";
import { allImages, type Component, imageOf } from "../release-images.ts";

/**
 * Loads this release's images into the machine's runtime beside those that are there: no name that
 * is in use moves, so that the former release runs on, and can be gone back to. Resolves with the
 * context whose `buildOf` is the build in a component's tag: empty where the version alone
 * distinguishes releases.
 */
export async function withReleaseImages(
  context: MachineContext,
  build: string,
): Promise<MachineContext> {
  const { progress } = context;
  const { imageRepository } = context.config.cluster;
  const { runtimeRoot } = NODE_AGENT;
  const images = new ImageStore(join(runtimeRoot, "images"), () => layersOfOthers([runtimeRoot]));
  await images.open();
  const missing = allImages(imageRepository, build).filter((name) => !images.find(name));
  if (missing.length > 0) {
    progress.note(`[upgrade/images] Loading the images of ${API_LEVEL} (build ${build})`);
    await loadMissing(images, await context.releaseImages(imageRepository));
  }
  const buildOf = (component: Component) => {
    const plain = images.find(imageOf(component, imageRepository));
    return plain?.repoTags.includes(imageOf(component, imageRepository, build)) ? "" : build;
  };
  return { ...context, buildOf };
}
