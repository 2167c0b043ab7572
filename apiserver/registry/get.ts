import type { KubeObject } from "@raft2kube/api/kind.ts";
import { revisionTooLarge } from "@raft2kube/apimachinery/errors/catalog.ts";
import { longTurn } from "@raft2kube/std/slices.ts";
import { QUICKLY_PARSED_BYTES } from "../limits.ts";
import type { Resource } from "../resource/resource.ts";
import { keyOf } from "../storage/keys.ts";
import { revisionOf } from "./list-options.ts";

/**
 * Reads one object for an owner, in whose turn a large one is parsed: from the cache when any state
 * will do, else from the store. Throws 404.
 */
export async function getObject(
  resource: Resource,
  namespace: string,
  name: string,
  query: URLSearchParams,
  owner: string,
): Promise<KubeObject> {
  const turn = async ({ length }: Buffer) => {
    if (length > QUICKLY_PARSED_BYTES) await longTurn(owner);
  };
  const text = query.get("resourceVersion") ?? "";
  if (text === "") return await resource.store.get(namespace, name, turn);
  const revision = revisionOf(text);
  const cache = resource.isConverting ? undefined : await resource.cache();
  const entry = cache?.get(keyOf(resource.kind, namespace, name));
  if (cache && entry && cache.revision >= revision) {
    await turn(entry.body);
    return entry.object();
  }
  // The store has every acknowledged revision: it is read instead of waiting for the cache.
  const newest = await resource.store.rows.revision();
  if (newest < revision) throw revisionTooLarge(revision, newest);
  return await resource.store.get(namespace, name, turn);
}
