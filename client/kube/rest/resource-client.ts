import { CodedError, codeOf } from "@raft2kube/std/errors.ts";
import {
  LIST_PAGE_BYTES_MAX,
  LIST_PAGE_DIVISOR,
  LIST_PAGE_SIZE,
  LIST_PAGES_MAX,
} from "../limits.ts";
import { type KubeList, type KubeObject, nameOf, type ObjectName } from "../object/object.ts";
import {
  type DeleteOptions,
  type ListOptions,
  PATCH_CONTENT_TYPES,
  type PatchType,
  queryString,
  type Selection,
  type WatchOptions,
  type WriteOptions,
} from "./query.ts";
import type { KubeRequester } from "./request.ts";
import { apiVersionOf, type ResourceAddress, type ResourceType, resourcePath } from "./resource.ts";
import { type WatchStream, watchStream } from "./watch.ts";

const METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
const METADATA_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/** All that a client can ask of one resource. Objects given back belong to the caller. */
export class ResourceClient<T extends KubeObject> {
  readonly client: KubeRequester;
  readonly type: ResourceType<T>;

  constructor(client: KubeRequester, type: ResourceType<T>) {
    this.client = client;
    this.type = type;
  }

  /** One object; fails with NotFound. */
  get(name: ObjectName, options: { metadataOnly?: boolean } = {}): Promise<T> {
    const accept = options.metadataOnly ? METADATA_ONE : undefined;
    return this.client.request<T>({ method: "GET", path: this.#path(name), accept });
  }

  /** One page of objects. */
  list(options: ListOptions & { signal?: AbortSignal } = {}): Promise<KubeList<T>> {
    return this.#list(options);
  }

  async #list(
    options: ListOptions & { signal?: AbortSignal },
    bytes_max?: number,
  ): Promise<KubeList<T>> {
    const { namespace, metadataOnly, signal, ...query } = options;
    const path = this.#path({ namespace }) + queryString(query);
    const accept = metadataOnly ? METADATA_LIST : undefined;
    const request = { method: "GET", path, accept, signal, bytes_max };
    const list = await this.client.request<KubeList<T>>(request);
    // Upstream writes `null` where a list of metadata has nothing in it.
    list.items ??= [];
    return list;
  }

  /**
   * All objects, page by page, as of one revision (that of the answer's metadata). Fails with
   * Expired when a page came too late.
   */
  async listAll(
    options: Omit<ListOptions, "continue"> & { signal?: AbortSignal } = {},
  ): Promise<KubeList<T>> {
    let all: KubeList<T> | undefined;
    for await (const page of this.pages(options)) {
      if (!all) all = page;
      else for (const item of page.items) all.items.push(item);
    }
    return all!;
  }

  /**
   * The same, of which only one page is in memory at a time. Pages of large objects have fewer: the
   * sizes of others' objects must not end a list.
   */
  async *pages(
    options: Omit<ListOptions, "continue"> & { signal?: AbortSignal } = {},
  ): AsyncGenerator<KubeList<T>> {
    let limit = options.limit ?? LIST_PAGE_SIZE;
    const pageOf = async (asked: ListOptions & { signal?: AbortSignal }): Promise<KubeList<T>> => {
      for (;;) {
        // A server that knows no pages answers with all.
        const bytes_max = limit > 1 ? LIST_PAGE_BYTES_MAX : undefined;
        try {
          return await this.#list({ ...asked, limit }, bytes_max);
        } catch (thrown) {
          if (codeOf(thrown) !== "ETOOBIG" || limit <= 1) throw thrown;
          limit = Math.max(1, Math.floor(limit / LIST_PAGE_DIVISOR));
        }
      }
    };
    const first = await pageOf(options);
    let token = first.metadata?.continue; // an aggregated server may leave out a list's metadata
    yield first;
    for (let page = 1; token; page++) {
      if (page >= LIST_PAGES_MAX) {
        const message = `a list of ${this.type.plural} does not end after ${page} pages`;
        throw new CodedError("ListTooLong", message);
      }
      const { resourceVersion: _first, resourceVersionMatch: _match, ...rest } = options;
      const next = await pageOf({ ...rest, continue: token });
      token = next.metadata?.continue;
      yield next;
    }
  }

  /** Events from `resourceVersion` on; ends when the server ends it, `close()` ends it earlier. */
  watch(options: WatchOptions & { signal?: AbortSignal } = {}): WatchStream<T> {
    const { namespace, metadataOnly, signal, ...query } = options;
    const path = this.#path({ namespace }) + queryString({ ...query, watch: true });
    const accept = metadataOnly ? METADATA_ONE : undefined;
    return watchStream<T>(this.client, { path, accept, signal });
  }

  /** Creates an object in the namespace that its metadata names. */
  create(object: T, options: WriteOptions = {}): Promise<T> {
    const path = this.#path({ namespace: object.metadata.namespace }) + writeQuery(options);
    return this.#send("POST", path, this.#typed(object));
  }

  /** Replaces an object; with a resourceVersion in it, only if unchanged since (else Conflict). */
  update(object: T, options: WriteOptions = {}): Promise<T> {
    return this.#send("PUT", this.#path(nameOf(object)) + writeQuery(options), this.#typed(object));
  }

  /** Replaces an object's status alone. */
  updateStatus(object: T, options: WriteOptions = {}): Promise<T> {
    const path = this.#path({ ...nameOf(object), subresource: "status" }) + writeQuery(options);
    return this.#send("PUT", path, this.#typed(object));
  }

  /** Changes an object (or a subresource of it) by a patch; `metadataOnly` is of the answer. */
  patch(
    name: ObjectName & { subresource?: string },
    type: PatchType,
    patch: unknown,
    { metadataOnly, ...options }: WriteOptions & { metadataOnly?: boolean } = {},
  ): Promise<T> {
    const path = this.#path(name) + writeQuery(options);
    const contentType = PATCH_CONTENT_TYPES[type];
    const accept = metadataOnly ? METADATA_ONE : undefined;
    return this.client.request<T>({ method: "PATCH", path, body: patch, contentType, accept });
  }

  /** Asks for an object's deletion; it may stay with a deletionTimestamp for its finalizers. */
  async delete(name: ObjectName, options: DeleteOptions = {}): Promise<void> {
    const body = { kind: "DeleteOptions", apiVersion: "v1", ...options };
    await this.client.send({ method: "DELETE", path: this.#path(name), body });
  }

  /** Asks for the deletion of all objects of a selection. */
  async deleteCollection(selection: Selection, options: DeleteOptions = {}): Promise<void> {
    const { namespace, ...query } = selection;
    const path = this.#path({ namespace }) + queryString({ ...query });
    const body = { kind: "DeleteOptions", apiVersion: "v1", ...options };
    // The answer has all that was deleted.
    const accept = `${METADATA_LIST},application/json`;
    await this.client.send({ method: "DELETE", path, body, accept });
  }

  /** Reads a subresource (`scale`, `status`). */
  getSubresource<S>(name: ObjectName, subresource: string): Promise<S> {
    return this.client.request<S>({ method: "GET", path: this.#path({ ...name, subresource }) });
  }

  /** Creates through a subresource (`binding`, `eviction`, `token`). */
  createSubresource<S>(name: ObjectName, subresource: string, body: unknown): Promise<S> {
    const path = this.#path({ ...name, subresource });
    return this.client.request<S>({ method: "POST", path, body });
  }

  /** Replaces a subresource (`scale`, `approval`, `finalize`). */
  updateSubresource<S>(name: ObjectName, subresource: string, body: unknown): Promise<S> {
    const path = this.#path({ ...name, subresource });
    return this.client.request<S>({ method: "PUT", path, body });
  }

  #path(address: ResourceAddress): string {
    return resourcePath(this.type, address);
  }

  #send(method: string, path: string, body: unknown): Promise<T> {
    return this.client.request<T>({ method, path, body });
  }

  /** Items of a list come without their type; the server wants it back. */
  #typed(object: T): T {
    const { apiVersion = apiVersionOf(this.type), kind = this.type.kind } = object;
    return kind === undefined ? { ...object, apiVersion } : { ...object, apiVersion, kind };
  }
}

const writeQuery = (options: WriteOptions): string => queryString({ ...options });
