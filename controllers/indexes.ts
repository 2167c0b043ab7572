import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";

/** The name of the index of objects by their namespace, which several controllers share. */
export const NAMESPACE_INDEX = "namespace";

/** The index function of `NAMESPACE_INDEX`. */
export const byNamespace = (object: KubeObject): string[] => [object.metadata.namespace ?? ""];

/** The name of the index of pods by the node they are on. */
export const NODE_INDEX = "node";

/** The index function of `NODE_INDEX`. */
export const byNode = (pod: Pod): string[] => (pod.spec.nodeName ? [pod.spec.nodeName] : []);
