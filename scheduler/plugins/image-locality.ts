import { StateKey } from "../framework/cycle-state.ts";
import type { PreScorePlugin, ScorePlugin } from "../framework/plugin.ts";
import type { Snapshot } from "../framework/snapshot.ts";
import { SKIP } from "../framework/status.ts";
import { IMAGE_BYTES_MAX, IMAGE_BYTES_MIN, SCORE_MAX } from "../limits.ts";
import type { NodeInfo, PodInfo } from "../node-info.ts";

/** The pod's images, and of each the share of nodes that have it. */
interface Images {
  readonly names: readonly string[];
  readonly shares: ReadonlyMap<string, number>;
  readonly containers: number;
}

const IMAGES = new StateKey<Images>("PreScoreImageLocality");

/**
 * Prefers nodes that have the pod's images, by size. An image's size is scaled by the share of
 * nodes that have it, so that a single node with an image does not attract every pod.
 */
export const imageLocality: PreScorePlugin & ScorePlugin = {
  name: "ImageLocality",
  weight: 1,
  events: [],
  preScore(state, info) {
    const { snapshot } = state;
    const names = imagesOf(info);
    if (names.every((image) => snapshot.nodes.every((node) => !node.images.has(image)))) {
      return SKIP;
    }
    const shares = new Map(names.map((image) => [image, shareOfNodes(image, snapshot)]));
    const containers = containersOf(info).length;
    state.write(IMAGES, { names, shares, containers });
    return undefined;
  },
  score(state, _info, node) {
    const images = state.read(IMAGES);
    return images ? sizeScore(images, node) : 0;
  },
};

const containersOf = ({ pod: { spec } }: PodInfo) => [
  ...(spec.initContainers ?? []),
  ...spec.containers,
];

/** Returns the images of the containers and of image volumes. */
function imagesOf(info: PodInfo): string[] {
  const mounted = (info.pod.spec.volumes ?? []).flatMap(({ image }) => (image ? [image] : []));
  return [
    ...containersOf(info).map(({ image = "" }) => withTag(image)),
    ...mounted.map(({ reference = "" }) => withTag(reference)),
  ];
}

/** Returns the name as node statuses list images: always with a tag or a digest. */
function withTag(image: string): string {
  return image.lastIndexOf(":") > image.lastIndexOf("/") ? image : `${image}:latest`;
}

function shareOfNodes(image: string, { nodes }: Snapshot): number {
  return nodes.filter((node) => node.images.has(image)).length / Math.max(1, nodes.length);
}

function sizeScore({ names, shares, containers }: Images, node: NodeInfo): number {
  const bytes = names.reduce((sum, image) => {
    return sum + Math.floor((node.images.get(image) ?? 0) * (shares.get(image) ?? 0));
  }, 0);
  // Volumes do not count here, as they do not in upstream.
  const most = IMAGE_BYTES_MAX * containers;
  const bounded = Math.min(most, Math.max(IMAGE_BYTES_MIN, bytes));
  return Math.floor((SCORE_MAX * (bounded - IMAGE_BYTES_MIN)) / (most - IMAGE_BYTES_MIN));
}
