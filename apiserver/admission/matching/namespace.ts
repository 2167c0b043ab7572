import type { KubeObject } from "@raft2kube/api/kind.ts";
import { keyOf } from "../../storage/keys.ts";
import type { AdmissionContext } from "../context.ts";

/** Finds a namespace in the cache, else in the store: the cache may lag behind its creation. */
export function namespaceLookup({ resources }: Pick<AdmissionContext, "resources">) {
  const namespaces = resources.of("v1", "namespaces");
  return async (name: string): Promise<Readonly<KubeObject> | undefined> => {
    const cached = (await namespaces.cache()).get(keyOf(namespaces.kind, "", name));
    return cached?.shared() ?? (await namespaces.store.find("", name));
  };
}
