import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";

/** Returns the part of a workload that is read here: its template may be a thousand times larger. */
export function selectorAlone<T extends KubeObject & { spec?: { selector?: unknown } }>({
  metadata: { name, namespace, uid, resourceVersion },
  spec,
}: T): T {
  const kept = { metadata: { name, namespace, uid, resourceVersion } };
  return { ...kept, spec: { selector: spec?.selector } } as T;
}

/** Drops what is not read here: a StatefulSet gives each of its claims all of its labels. */
export function withoutLabels(claim: PersistentVolumeClaim): PersistentVolumeClaim {
  const { labels, finalizers, managedFields, ...metadata } = claim.metadata;
  return { ...claim, metadata };
}
