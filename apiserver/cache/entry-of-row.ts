import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { ownUtf8 } from "@raft2kube/std/bytes.ts";
import { Entry, selectedFields } from "../object/entry.ts";
import { decodeRow } from "../storage/body.ts";
import type { Row } from "../storage/rows.ts";

/** The cache's form of a stored row. Throws when the row does not decode. */
export function entryOfRow(kind: Kind, row: Row): Entry {
  return entryOf(kind, decodeRow(kind, row), row.key, row.revision);
}

/** The cache's form of an object that carries its resourceVersion already. */
export function entryOf(kind: Kind, object: KubeObject, key: string, revision: number): Entry {
  const body = ownUtf8(JSON.stringify(object));
  return new Entry({ ...selectedFields(kind, object), key, revision, body });
}
