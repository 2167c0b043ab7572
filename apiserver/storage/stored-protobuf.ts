import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeObject, isEnvelope, readEnvelope } from "@raft2kube/api/codec/envelope.ts";
import { isBuiltIn, type Kind, type KubeObject } from "@raft2kube/api/kind.ts";
import { assert } from "@raft2kube/std/assert.ts";

/** Whether stored bytes are upstream's protobuf. */
export const isProtobuf: (value: Buffer) => boolean = isEnvelope;

/** The object in upstream's envelope, in the version it was stored in. Throws DecodeError. */
export function decodeStoredProtobuf(kind: Kind, value: Buffer): KubeObject {
  assert(kind.storage !== undefined, `${kind.kind} is not stored`);
  if (!isBuiltIn(kind)) throw new DecodeError(`a ${kind.kind} is stored as protobuf`);
  const { group, version, kind: name } = kind.storage.as;
  const self = group === kind.group && version === kind.version;
  const schema = self
    ? kind.schema
    : `${group === "" ? "core" : group.split(".")[0]}/${version}.${name}`;
  return decodeObject<KubeObject>(schema, readEnvelope(value));
}
