import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";

/** The fields of all API objects. */
export type KubeObject = { apiVersion?: string; kind?: string; metadata: ObjectMeta };

/** A page of objects, or all of them. */
export interface KubeList<T> {
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  items: T[];
}

/** An object's name; `namespace` is absent for cluster-wide ones. */
export type ObjectName = { namespace?: string; name: string };

/** `namespace/name`, or `name` for a cluster-wide object: the key of stores and queues. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name ?? ""}` : (name ?? "");
}

/** The name in a key made by `keyOf`. */
export function nameOfKey(key: string): ObjectName {
  const slash = key.indexOf("/");
  if (slash < 0) return { name: key };
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Where an object lives. */
export const nameOf = (object: KubeObject): ObjectName => nameOfKey(keyOf(object));
