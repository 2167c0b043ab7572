import type { Container, PodSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";

/** A pod as admission sees it: decoding has made sure that it has a spec. */
export interface Pod extends KubeObject {
  spec: PodSpec;
}

/** All containers that start with the pod. */
export function startedContainers(spec: PodSpec): Container[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}
