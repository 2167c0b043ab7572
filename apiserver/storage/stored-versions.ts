import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import type { Row } from "./rows.ts";

/**
 * Returns rows with their objects in the version of `kind`: those that are stored in another one
 * are converted by the webhook of their definition, all in one call. Other kinds' rows are returned
 * as they are: decoding converts them. Throws ApiError where the webhook fails.
 */
export async function inVersionOf(kind: Kind, rows: readonly Row[]): Promise<readonly Row[]> {
  const { convert } = kind;
  if (convert === undefined) return rows;
  const apiVersion = apiVersionOf(kind);
  const others = new Map<Row, KubeObject>();
  for (const row of rows) {
    const stored = storedIn(row);
    if (stored === undefined || stored.apiVersion === apiVersion) continue;
    others.set(row, kind.fromStorage?.(stored) ?? stored);
  }
  if (others.size === 0) return rows;
  const converted = await convert([...others.values()], apiVersion);
  const values = new Map([...others.keys()].map((row, index) => [row, converted[index]!]));
  return rows.map((row) => {
    const object = values.get(row);
    if (object === undefined) return row;
    return { ...row, value: Buffer.from(JSON.stringify(object)), stored: row.value };
  });
}

/** The object in a row; undefined where there is none, which is said by its decoding. */
function storedIn({ value }: Row): KubeObject | undefined {
  try {
    const stored = parseExact(value.toString("utf8")) as Partial<KubeObject> | null;
    return stored?.metadata ? (stored as KubeObject) : undefined;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}

/** The object in the version that it is stored in, where a webhook must convert it to that. */
export async function inStoredVersion<T extends KubeObject>(kind: Kind, object: T): Promise<T> {
  const { convert, storage } = kind;
  if (convert === undefined || storage === undefined || storage.as.version === kind.version) {
    return object;
  }
  const [stored] = await convert([object], apiVersionOf(storage.as));
  return stored as T;
}
