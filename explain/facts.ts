import { isForbidden, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { ListOptions } from "@raft2kube/client-kube/rest/query.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { tolerate } from "@raft2kube/std/errors.ts";

/** Lists are bounded: what lies beyond is not looked at. */
const LIMIT = 5_000;

/** Reads objects of a namespace, and notes what the user may not read. */
export class Facts {
  readonly #kube: KubeRequester;
  readonly #namespace: string;
  /** Resources that the user may not read. */
  readonly unseen = new Set<string>();

  constructor(kube: KubeRequester, namespace: string) {
    this.#kube = kube;
    this.#namespace = namespace;
  }

  /** Reads an object; undefined if it is not there, or may not be read. */
  one<T extends KubeObject>(type: ResourceType, name: string): Promise<T | undefined> {
    const client = new ResourceClient<T>(this.#kube, type);
    const read = client.get({ namespace: this.#namespace, name });
    return this.#seen(`${type.plural}/${name}`, read);
  }

  /** Lists objects; undefined if the server has no such kind, or they may not be listed. */
  async all<T extends KubeObject>(
    type: ResourceType,
    options: ListOptions = {},
  ): Promise<T[] | undefined> {
    const client = new ResourceClient<T>(this.#kube, type);
    const query = { namespace: this.#namespace, limit: LIMIT, ...options };
    return (await this.#seen(type.plural, client.list(query)))?.items;
  }

  #seen<T>(what: string, read: Promise<T>): Promise<T | undefined> {
    return tolerate(read, (thrown) => {
      if (isForbidden(thrown)) this.unseen.add(what);
      return isForbidden(thrown) || isNotFound(thrown);
    });
  }
}
