import type { KubeObject } from "@raft2kube/api/kind.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { STORE_PAGE_KEYS } from "../limits.ts";
import type { Resource } from "../resource/resource.ts";
import { prefixOf } from "../storage/keys.ts";
import type { Row } from "../storage/rows.ts";

/**
 * Deletes all objects that a resource had at `revision`, whose definition goes; returns how many
 * are left because they have finalizers. Rows are taken as they are stored, in any version: no
 * conversion can keep a definition from going, and no admission is asked, as upstream.
 */
export async function deleteInstances(
  { kind, store }: Resource,
  revision: number,
  clock: Clock,
): Promise<number> {
  const prefix = prefixOf(kind);
  let left = 0;
  let start = prefix;
  for (;;) {
    const asked = { start, limit: STORE_PAGE_KEYS, revision };
    const { rows, more } = await store.rows.page(prefix, asked);
    for (const row of rows) if (!(await isGone(store, row, clock))) left++;
    if (!more) return left;
    start = `${rows.at(-1)!.key}\0`;
  }
}

/** Removes a row, or marks it as being deleted. Whether it is gone. */
async function isGone({ rows }: Resource["store"], row: Row, clock: Clock): Promise<boolean> {
  const { key, revision } = row;
  const object = readableIn(row);
  const { finalizers = [], deletionTimestamp } = object?.metadata ?? {};
  // A row that changes meanwhile is looked at in the next round.
  if (object === undefined || finalizers.length === 0) {
    return (await rows.remove(key, revision)).done;
  }
  if (deletionTimestamp === undefined) {
    const generation = (object.metadata.generation ?? 0) + 1;
    Object.assign(object.metadata, {
      generation,
      deletionTimestamp: timeText(clock.now()),
      deletionGracePeriodSeconds: 0,
    });
    await rows.replace(key, revision, Buffer.from(JSON.stringify(object)));
  }
  return false;
}

/** The object in a row; undefined for a row that nothing could read. */
function readableIn({ value }: Row): KubeObject | undefined {
  try {
    const object = parseExact(value.toString("utf8")) as Partial<KubeObject> | null;
    return object?.metadata ? (object as KubeObject) : undefined;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return undefined;
    throw thrown;
  }
}
