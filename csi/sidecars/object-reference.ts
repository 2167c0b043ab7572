import type {
  ObjectReference,
  PersistentVolume,
  PersistentVolumeClaim,
} from "@raft2kube/api/gen/core/v1.ts";

/**
 * Returns the reference to an event's object. Objects of a list have no type, which an event needs.
 */
export function referenceTo(
  kind: "PersistentVolume" | "PersistentVolumeClaim",
  { metadata }: PersistentVolume | PersistentVolumeClaim,
): ObjectReference {
  const { namespace, name = "", uid = "", resourceVersion = "" } = metadata;
  const reference = { apiVersion: "v1", kind, name, uid, resourceVersion };
  return namespace ? { ...reference, namespace } : reference;
}
