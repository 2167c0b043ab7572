import { join } from "node:path";
import { loadMissing } from "@raft2kube/runtime/image/archive.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { layersOfOthers } from "@raft2kube/runtime/other-records.ts";
import { API_LEVEL } from "../../version.ts";
import type { MachineContext } from "../context.ts";
import { NODE_AGENT } from "../layout.ts";
import { manifestOf } from "../phases/files.ts";
import { allImages, type Component, imageOf } from "../release-images.ts";
import { flagOf, ONE_PROCESS, type StaticPod } from "../static-pods.ts";

/** A machine and the release that it is upgraded to: this one. */
export interface Upgrade {
  readonly context: MachineContext;
  /** The manifests of this machine's static pods; none on a worker. */
  readonly manifests: ReadonlyMap<StaticPod, string>;
  /** The version in the cluster's stored configuration. */
  readonly cluster: string;
  readonly build: string;
  /** Whether certificates are renewed with the static pods that use them. */
  readonly renewsCertificates: boolean;
}

/**
 * Loads this release's images into the machine's runtime beside those that are there: no name that
 * is in use moves, so that the former release runs on, and can be gone back to. Resolves with the
 * context whose `buildOf` is the build in a component's tag, empty where the version alone
 * distinguishes releases, and with the manifests for this machine.
 */
export async function releaseFor({ context: before, manifests, build }: Upgrade) {
  const { imageRepository } = before.cluster;
  const { runtimeRoot } = NODE_AGENT;
  const images = new ImageStore(join(runtimeRoot, "images"), () => layersOfOthers([runtimeRoot]));
  await images.open();
  if (allImages(imageRepository, build).some((name) => !images.find(name))) {
    before.note(`[upgrade/images] Loading the images of ${API_LEVEL} (build ${build})`);
    await loadMissing(images, await before.releaseImages(imageRepository));
  }
  const buildOf = (component: Component) => {
    const plain = images.find(imageOf(component, imageRepository));
    return plain?.repoTags.includes(imageOf(component, imageRepository, build)) ? "" : build;
  };
  const context = { ...before, buildOf };
  const etcd = manifests.get("etcd") ?? manifests.get(ONE_PROCESS) ?? "";
  // The manifest of a member that joined names the others; the store has its members since then.
  const joined = flagOf(etcd, "initial-cluster-state") === "existing";
  const members = joined ? flagOf(etcd, "initial-cluster") : undefined;
  const texts = new Map<StaticPod, string>();
  for (const pod of manifests.keys()) texts.set(pod, await manifestOf(context, pod, members));
  return { context, texts };
}
