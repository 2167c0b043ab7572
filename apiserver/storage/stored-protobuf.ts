import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

/** Whether stored bytes begin as upstream's protobuf envelope does (`k8s\0`). */
export function isProtobuf(value: Buffer): boolean {
  return value.length >= 4 && value.compare(MAGIC, 0, 4, 0, 4) === 0;
}

/** The object in upstream's envelope, in the version it was stored in. */
export function decodeStoredProtobuf(kind: Kind, _value: Buffer): KubeObject {
  throw new TypeError(`stored protobuf of ${kind.kind} is not read yet`);
}
