import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import type { Row } from "./rows.ts";

/**
 * Returns rows with their objects in the version of `kind`: those that are stored in another one
 * are converted by the webhook of their definition, all in one call. Other kinds' rows are returned
 * as they are: decoding converts them. Throws ApiError where the webhook fails.
 */
export async function inVersionOf(kind: Kind, rows: readonly Row[]): Promise<readonly Row[]> {
  if (kind.convert === undefined) return rows;
  const apiVersion = apiVersionOf(kind);
  const others = new Map<Row, KubeObject>();
  const slices = new Slices();
  for (const row of rows) {
    const stored = inOtherVersion(row, kind);
    if (stored !== undefined) others.set(row, stored);
    if (slices.due) await slices.pause();
  }
  if (others.size === 0) return rows;
  const converted = await convertedBy(kind.convert, [...others.values()], apiVersion);
  const values = new Map([...others.keys()].map((row, index) => [row, converted[index]!]));
  return rows.map((row) => {
    const object = values.get(row);
    if (object === undefined) return row;
    return { ...row, value: Buffer.from(JSON.stringify(object)), stored: row.value };
  });
}

/** Converts objects. Throws ApiError alone: requests that wait for the objects end with it. */
async function convertedBy(
  convert: NonNullable<Kind["convert"]>,
  objects: readonly KubeObject[],
  apiVersion: string,
): Promise<readonly KubeObject[]> {
  try {
    return await convert(objects, apiVersion);
  } catch (thrown) {
    if (thrown instanceof ApiError) throw thrown;
    throw internal(messageOf(thrown));
  }
}

/**
 * The object in a row if it is in another version than the kind's; undefined too where there is
 * none, which is said by its decoding.
 */
function inOtherVersion({ value }: Row, kind: Kind): KubeObject | undefined {
  try {
    const stored = parseExact(value.toString("utf8")) as KubeObject | null;
    if (!stored?.metadata || stored.apiVersion === apiVersionOf(kind)) return undefined;
    return kind.fromStorage?.(stored) ?? stored;
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof DecodeError) return undefined;
    throw thrown;
  }
}

/** The object in the version that it is stored in, where a webhook must convert it to that. */
export async function inStoredVersion<T extends KubeObject>(kind: Kind, object: T): Promise<T> {
  const { convert, storage } = kind;
  if (convert === undefined || storage === undefined || storage.as.version === kind.version) {
    return object;
  }
  const [stored] = await convertedBy(convert, [object], apiVersionOf(storage.as));
  return stored as T;
}
