import { isForbidden, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { ListOptions } from "@raft2kube/client-kube/rest/query.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { tolerate } from "@raft2kube/std/errors.ts";

/** Lists are bounded: what lies beyond is not looked at. */
const LIMIT = 5_000;

export type Facts = ReturnType<typeof factsOf>;

/** Returns what reads objects of a namespace, and notes what the user may not read. */
export function factsOf(kube: KubeRequester, namespace: string) {
  const unseen = new Set<string>();
  const seen = <T>(what: string, read: Promise<T>) =>
    tolerate(read, (thrown) => {
      if (isForbidden(thrown)) unseen.add(what);
      return isForbidden(thrown) || isNotFound(thrown);
    });
  return {
    /** Resources that the user may not read. */
    unseen,
    /** Reads an object; undefined if it is not there, or may not be read. */
    one<T extends KubeObject>(type: ResourceType, name: string): Promise<T | undefined> {
      const client = new ResourceClient<T>(kube, type);
      return seen(`${type.plural}/${name}`, client.get({ namespace, name }));
    },
    /** Lists objects; undefined if the server has no such kind, or they may not be listed. */
    async all<T extends KubeObject>(type: ResourceType, options: ListOptions = {}) {
      const list = new ResourceClient<T>(kube, type).list({ namespace, limit: LIMIT, ...options });
      return (await seen(type.plural, list))?.items;
    },
  };
}
