import { isDeepStrictEqual } from "node:util";
import { isBuiltIn, type Kind, type KubeObject } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { assert } from "@raft2kube/std/assert.ts";
import { ownBytes, ownUtf8 } from "@raft2kube/std/bytes.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
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
    : (parseExact(row.value.toString("utf8")) as KubeObject);
  const object = kind.fromStorage && !row.stored ? kind.fromStorage(stored) : stored;
  object.kind = kind.kind;
  object.apiVersion = apiVersionOf(kind);
  object.metadata ??= {};
  object.metadata.resourceVersion = String(row.revision);
  // Custom resources got those of the version that they are stored in, and no others (as upstream).
  if (isBuiltIn(kind)) kind.strategy.defaults(object);
  return object as T;
}

/**
 * The bytes of an object as they are stored, in memory of their own: without its resourceVersion,
 * which the store itself knows.
 */
export function encodeRow(kind: Kind, object: KubeObject): Buffer {
  assert(kind.storage !== undefined, `${kind.kind} is not stored`);
  const stored = kind.toStorage ? kind.toStorage(structuredClone(object)) : object;
  const { resourceVersion: _known, selfLink: _gone, ...metadata } = stored.metadata;
  const { kind: _kind, apiVersion: _version, metadata: _metadata, ...rest } = stored;
  const place = kind.storage.as;
  const whole = { kind: place.kind, apiVersion: apiVersionOf(place), metadata, ...rest };
  return ownUtf8(JSON.stringify(whole));
}

/** Whether two rows hold the same: the order of members is left as a client or a patch gave it. */
export function isSameRow(a: Buffer, b: Buffer): boolean {
  if (a.equals(b)) return true;
  // The same members in any order are as long.
  if (a.length !== b.length || isProtobuf(a) || isProtobuf(b)) return false;
  return isDeepStrictEqual(parseExact(a.toString("utf8")), parseExact(b.toString("utf8")));
}

/** Whether stored JSON is what clients get but for the resourceVersion. */
export function isServedAsStored(of: Kind): boolean {
  const as = of.storage?.as;
  const same = as?.kind === of.kind && as.group === of.group && as.version === of.version;
  return same && of.toStorage === undefined && of.isFilledIn !== true;
}

const METADATA = Buffer.from('"metadata":{');

/** Returns an encoded row as clients get it: with its resourceVersion, in memory of its own. */
export function servedBody(stored: Buffer, revision: number): Buffer {
  const at = stored.indexOf(METADATA) + METADATA.length;
  assert(at >= METADATA.length, "a stored object without metadata");
  const version = Buffer.from(versionMember(revision));
  return ownBytes(stored.subarray(0, at), version, stored.subarray(at));
}

/** How long that is. */
export function servedLength(stored: Buffer, revision: number): number {
  return stored.length + versionMember(revision).length;
}

/** The member with the version; names follow it, as no object is stored without one. */
const versionMember = (revision: number): string => `"resourceVersion":"${revision}",`;
