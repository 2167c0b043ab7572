import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Encryption, NO_ENCRYPTION } from "@raft2kube/encryption/config.ts";
import type { WatchCache } from "../cache/watch-cache.ts";
import { ProgressProof } from "../storage/progress-proof.ts";
import { ResourceMetrics } from "../metrics/resource-metrics.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import { Resource } from "./resource.ts";
import { ALL_SERVED, type Serves } from "./runtime-config.ts";

export interface ResourcesOptions {
  /** The served versions (`--runtime-config`). Default: all. */
  serves?: Serves | undefined;
  /** How values lie in the store. Default as they are. */
  encryption?: Encryption | undefined;
}

/** Every resource this server has, by the words of a URL. */
export class Resources {
  readonly #byPath = new Map<string, Resource>();
  readonly #metrics = new Map<string, ResourceMetrics>();
  readonly #serves: Serves;
  /** The kinds that clients are shown. */
  readonly kinds: readonly Kind[];

  constructor(
    kinds: readonly Kind[],
    etcd: EtcdClient,
    clock: Clock,
    { serves = ALL_SERVED, encryption = NO_ENCRYPTION }: ResourcesOptions = {},
  ) {
    this.#serves = serves;
    // The same list where nothing is switched off: what is made of all kinds is made once.
    this.kinds = kinds.every(serves) ? kinds : kinds.filter(serves);
    const proof = new ProgressProof(etcd);
    for (const kind of kinds) {
      const path = `${apiVersionOf(kind)}/${kind.plural}`;
      assert(!this.#byPath.has(path), `two kinds for ${path}`);
      const valueEncryption = encryption(storedAs(kind));
      const metrics = this.#metricsOf(storedAs(kind), clock);
      this.#byPath.set(path, new Resource(kind, etcd, clock, { proof, valueEncryption, metrics }));
    }
  }

  /** Versions of a resource share what is counted of it, as they share what is stored. */
  #metricsOf(
    { group, plural }: { group: string; plural: string },
    clock: Clock,
  ): ResourceMetrics {
    const name = `${plural}.${group}`;
    let metrics = this.#metrics.get(name);
    if (!metrics) {
      metrics = new ResourceMetrics(group, plural, clock);
      this.#metrics.set(name, metrics);
    }
    return metrics;
  }

  /** The resource that a client asks for; undefined when there is none, or it is switched off. */
  find(group: string, version: string, plural: string): Resource | undefined {
    const found = this.#byPath.get(`${apiVersionOf({ group, version })}/${plural}`);
    return found && this.#serves(found.kind) ? found : undefined;
  }

  /** A resource this server always has, such as `of("v1", "pods")`. */
  of(apiVersion: string, plural: string): Resource {
    const found = this.#byPath.get(`${apiVersion}/${plural}`);
    assert(found !== undefined, `no resource ${apiVersion}/${plural}`);
    return found;
  }

  all(): IterableIterator<Resource> {
    return this.#byPath.values();
  }

  /** The caches that a request has started. */
  *startedCaches(): Generator<WatchCache> {
    for (const { startedCache } of this.all()) if (startedCache) yield startedCache;
  }

  /** The store has dropped its history before `revision`. */
  compactedTo(revision: number): void {
    for (const cache of this.startedCaches()) cache.compactedTo(revision);
  }

  /** Ends every watch: their clients reconnect, here or at another server. */
  endWatches(): void {
    for (const cache of this.startedCaches()) cache.closeWatchers();
  }

  async close(): Promise<void> {
    await Promise.all([...this.all()].map((resource) => resource.close()));
  }
}

/** The resource under whose name a kind is encrypted: that of the stored group. */
function storedAs(kind: Kind): { group: string; plural: string } {
  return { group: kind.storage?.as.group ?? kind.group, plural: kind.plural };
}
