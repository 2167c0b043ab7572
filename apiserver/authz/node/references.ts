import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import { objectsNamedBy, reference } from "@raft2kube/api/core/v1/pod/references.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";

/** A pod, whose spec names other objects. */
export type ReferringPod = Pod & KubeObject;

/**
 * Everything a pod's node must read to run it. Of a mirror pod that is nothing but itself: a node
 * makes them, and must not come to read by one what it names there.
 */
export function podReferences(pod: ReferringPod): Set<string> {
  const { namespace = "", name = "" } = pod.metadata;
  const found = isMirrorPod(pod) ? new Set<string>() : objectsNamedBy(pod);
  return found.add(reference("pods", namespace, name));
}
