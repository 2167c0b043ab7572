import type { Plugin, Snapshot } from "../framework.ts";
import { IMAGE_BYTES_MAX, IMAGE_BYTES_MIN, SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";

/**
 * Prefers nodes that have the pod's images, large ones more. An image counts by the share of nodes
 * that have it, so that one node with it does not draw every pod.
 */
export const imageLocality: Plugin = {
  name: "ImageLocality",
  weight: 1,
  events: [],
  consider(info, snapshot) {
    const images = imagesOf(info);
    if (images.every((image) => snapshot.nodes.every((node) => !node.images.has(image)))) return {};
    const spread = new Map(images.map((image) => [image, spreadOf(image, snapshot)]));
    return { score: (node) => score(images, spread, node) };
  },
};

function imagesOf({ pod }: PodInfo): string[] {
  const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return containers.map(({ image = "" }) => withTag(image));
}

/** Nodes tell their images with a tag or digest, always. */
function withTag(image: string): string {
  return image.lastIndexOf(":") > image.lastIndexOf("/") ? image : `${image}:latest`;
}

function spreadOf(image: string, snapshot: Snapshot): number {
  const having = snapshot.nodes.filter((node) => node.images.has(image)).length;
  return having / Math.max(1, snapshot.nodes.length);
}

function score(images: string[], spread: Map<string, number>, node: NodeInfo): number {
  const bytes = images.reduce((sum, image) => {
    return sum + Math.floor((node.images.get(image) ?? 0) * (spread.get(image) ?? 0));
  }, 0);
  const most = IMAGE_BYTES_MAX * images.length;
  const bounded = Math.min(most, Math.max(IMAGE_BYTES_MIN, bytes));
  return Math.floor((SCORE_MAX * (bounded - IMAGE_BYTES_MIN)) / (most - IMAGE_BYTES_MIN));
}
