import type { KubeObject } from "@raft2kube/api/kind.ts";
import { badRequest } from "../errors/catalog.ts";
import { keyOf } from "../storage/keys.ts";
import type { Resource } from "./resource.ts";

/** Reads one object: from the cache when any state will do, else from the store. Throws 404. */
export async function getObject(
  resource: Resource,
  namespace: string,
  name: string,
  query: URLSearchParams,
): Promise<KubeObject> {
  const revision = query.get("resourceVersion") ?? "";
  if (revision !== "" && !/^\d+$/.test(revision)) {
    throw badRequest(`invalid resource version ${JSON.stringify(revision)}`);
  }
  if (revision !== "") {
    const cache = await resource.cache();
    const entry = cache.get(keyOf(resource.kind, namespace, name));
    if (entry && cache.revision >= Number(revision)) return entry.object();
  }
  return await resource.store.get(namespace, name);
}
