import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { apiVersionOf } from "../registry/group-version.ts";
import type { Row } from "./rows.ts";
import { decodeStoredProtobuf, isProtobuf } from "./stored-protobuf.ts";

/**
 * The object in a row, in the version of `kind`, defaults filled and resourceVersion set. Reads
 * JSON, which
 * we write, and protobuf, which upstream writes.
 */
export function decodeRow<T extends KubeObject = KubeObject>(kind: Kind, row: Row): T {
  const stored = isProtobuf(row.value)
    ? decodeStoredProtobuf(kind, row.value)
    : (JSON.parse(row.value.toString("utf8")) as KubeObject);
  const object = kind.fromStorage ? kind.fromStorage(stored) : stored;
  object.kind = kind.kind;
  object.apiVersion = apiVersionOf(kind);
  object.metadata ??= {};
  object.metadata.resourceVersion = String(row.revision);
  kind.strategy.defaults(object);
  return object as T;
}

/**
 * The bytes of an object as they are stored: without its resourceVersion, which the store itself
 * knows.
 */
export function encodeRow(kind: Kind, object: KubeObject): Buffer {
  assert(kind.storage !== undefined, `${kind.kind} is not stored`);
  const stored = kind.toStorage ? kind.toStorage(structuredClone(object)) : object;
  const { resourceVersion: _known, selfLink: _gone, ...metadata } = stored.metadata;
  const { kind: _kind, apiVersion: _version, metadata: _metadata, ...rest } = stored;
  const place = kind.storage.as;
  const whole = { kind: place.kind, apiVersion: apiVersionOf(place), metadata, ...rest };
  return Buffer.from(JSON.stringify(whole));
}
