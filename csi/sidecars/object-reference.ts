import type {
  ObjectReference,
  PersistentVolume,
  PersistentVolumeClaim,
} from "@raft2kube/api/gen/core/v1.ts";

/** What an event is about. Objects of a list come without their type, which an event needs. */
export function referenceTo(
  kind: "PersistentVolume" | "PersistentVolumeClaim",
  { metadata }: PersistentVolume | PersistentVolumeClaim,
): ObjectReference {
  const { namespace, name = "", uid = "", resourceVersion = "" } = metadata;
  const reference = { apiVersion: "v1", kind, name, uid, resourceVersion };
  return namespace ? { ...reference, namespace } : reference;
}
