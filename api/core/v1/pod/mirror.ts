/** Mirror pods: what the API shows of pods that a node runs from files. */

import { type FieldError, forbidden } from "../../../errors.ts";
import type { Pod } from "../../../gen/core/v1.ts";

/** Annotation of a mirror pod; the value is a hash of the static pod. */
export const MIRROR_ANNOTATION = "kubernetes.io/config.mirror";

export function isMirrorPod({ metadata }: Pick<Pod, "metadata">): boolean {
  return metadata.annotations?.[MIRROR_ANNOTATION] !== undefined;
}

/**
 * Whether a node made the pod for itself, as it may in any namespace: the annotation is any user's
 * to write, this owner beside it is not (the plugin NodeRestriction).
 */
export function isMadeByNode({ metadata, spec }: Pod): boolean {
  const { ownerReferences = [] } = metadata;
  const owner = ownerReferences.find(({ controller }) => controller === true);
  return isMirrorPod({ metadata }) && owner?.kind === "Node" && owner.name === spec.nodeName;
}

/** A pod remains what it was created as: admission and controllers trust mirror pods less. */
export function validateMirrorUpdate(pod: Pod, old: Pod): FieldError[] {
  const [now, before] = [pod, old].map((each) => each.metadata.annotations?.[MIRROR_ANNOTATION]);
  if (now === before) return [];
  const what = before === undefined ? "add" : "remove or update";
  const path = `metadata.annotations[${MIRROR_ANNOTATION}]`;
  return [forbidden(path, `may not ${what} mirror pod annotation`)];
}
