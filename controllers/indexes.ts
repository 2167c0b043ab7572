import type { KubeObject } from "@raft2kube/client-kube/object.ts";

/** The name of the index of objects by their namespace, which several controllers share. */
export const NAMESPACE_INDEX = "namespace";

/** The index function of `NAMESPACE_INDEX`. */
export function byNamespace(object: KubeObject): string[] {
  return [object.metadata.namespace ?? ""];
}
