import type { APIService as ApiServiceObject } from "@raft2kube/api/gen/apiregistration/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { CacheEvent } from "../cache/event.ts";
import type { Resources } from "../resource/resources.ts";

export type ApiService = ApiServiceObject & KubeObject;

/** An APIService that names a Service: another server answers for its group and version. */
export type RemoteApiService = ApiService & {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly service: { namespace: string; name: string; port: number } };
};

/** The aggregator's own group: requests that repair APIServices are never passed on. */
const OWN_GROUP = "apiregistration.k8s.io";

export function nameOf({ group, version }: { group: string; version: string }): string {
  return `${version}.${group}`;
}

export function isRemote(service: ApiService): service is RemoteApiService {
  return service.spec.service !== undefined && service.spec.group !== OWN_GROUP;
}

/** Whether requests are passed on to a server. */
export function isAvailable({ status }: ApiService): boolean {
  const found = status?.conditions?.find(({ type }) => type === "Available");
  return found?.status === "True";
}

/** All APIServices, from the watch cache. Groups and versions without one are this server's. */
export class ApiServices {
  readonly #byName = new Map<string, ApiService>();
  readonly #remotes = new Map<string, RemoteApiService>();
  readonly #listeners = new Set<(name: string) => void>();
  #unsubscribe: () => void = () => undefined;

  /** Follows the APIServices; resolves once all have been read. */
  static async follow(resources: Resources): Promise<ApiServices> {
    const services = new ApiServices();
    const cache = await resources.of("apiregistration.k8s.io/v1", "apiservices").cache();
    services.#unsubscribe = cache.subscribe((event) => services.#take(event));
    return services;
  }

  close(): void {
    this.#unsubscribe();
  }

  /** The APIService whose Service answers for a version; undefined for this server's own. */
  remoteOf(group: string, version: string): RemoteApiService | undefined {
    return this.#remotes.size === 0 ? undefined : this.#remotes.get(nameOf({ group, version }));
  }

  get(name: string): ApiService | undefined {
    return this.#byName.get(name);
  }

  remote(name: string): RemoteApiService | undefined {
    return this.#remotes.get(name);
  }

  remotes(): Iterable<RemoteApiService> {
    return this.#remotes.values();
  }

  /** Calls back with the name of each APIService, now and whenever it changes or goes. */
  subscribe(listener: (name: string) => void): () => void {
    for (const name of this.#byName.keys()) listener(name);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #take({ type, entry }: CacheEvent): void {
    const { name } = entry;
    this.#byName.delete(name);
    this.#remotes.delete(name);
    if (type !== "DELETED") {
      const service = entry.object<ApiService>();
      this.#byName.set(name, service);
      if (isRemote(service)) this.#remotes.set(name, service);
    }
    for (const listener of this.#listeners) listener(name);
  }
}
