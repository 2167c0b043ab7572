import type { BuiltInKind, Kind, Verb } from "@raft2kube/api/kind.ts";
import { apiVersionOf } from "@raft2kube/apimachinery/group-version.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { type Encryption, NO_ENCRYPTION } from "@raft2kube/encryption/config.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { WatchCache } from "../cache/watch-cache.ts";
import { ResourceMetrics } from "../metrics/resource-metrics.ts";
import { ProgressProof } from "../storage/progress-proof.ts";
import { Resource } from "./resource.ts";
import { ALL_SERVED, type Serves } from "./runtime-config.ts";

export interface ResourcesOptions {
  /** The served versions (`--runtime-config`). Default: all. */
  serves?: Serves | undefined;
  /** How values lie in the store. Default as they are. */
  encryption?: Encryption | undefined;
}

/** The verbs of a resource whose definition is being deleted, as discovery shows them. */
const TERMINATING_VERBS: readonly Verb[] = ["delete", "deletecollection", "get", "list", "watch"];

/**
 * Every resource this server has, by the words of a URL: those it is made with, and custom ones
 * that come and go.
 */
export class Resources {
  readonly #byPath = new Map<string, Resource>();
  readonly #metrics = new Map<string, ResourceMetrics>();
  readonly #serves: Serves;
  /** The kinds that the server is made with, without those that are switched off. */
  readonly builtIn: readonly BuiltInKind[];
  /** Groups and versions that no custom resource is served in. */
  readonly #builtInVersions: ReadonlySet<string>;
  /** The places in the store that are no custom resource's. */
  readonly #builtInPrefixes: ReadonlySet<string>;
  /** The custom resources of each definition, by its name. */
  readonly #custom = new Map<string, readonly Resource[]>();
  readonly #make: (kind: Kind) => Resource;
  /** Resources that were removed and still end their work. */
  readonly #ending = new Set<Promise<void>>();
  #shown: { readonly all: readonly Kind[]; readonly custom: readonly Kind[] } | undefined;

  constructor(
    kinds: readonly BuiltInKind[],
    etcd: EtcdClient,
    clock: Clock,
    { serves = ALL_SERVED, encryption = NO_ENCRYPTION }: ResourcesOptions = {},
  ) {
    this.#serves = serves;
    // The same list where nothing is switched off: what is made of all kinds is made once.
    this.builtIn = kinds.every(serves) ? kinds : kinds.filter(serves);
    this.#builtInVersions = new Set(kinds.map(apiVersionOf));
    this.#builtInPrefixes = new Set(kinds.flatMap(({ storage }) => storage?.prefix ?? []));
    const proof = new ProgressProof(etcd);
    this.#make = (kind) => {
      const valueEncryption = encryption.of(storedAs(kind));
      const metrics = this.#metricsOf(storedAs(kind), clock);
      return new Resource(kind, etcd, clock, { proof, valueEncryption, metrics });
    };
    for (const kind of kinds) {
      const path = pathOf(kind);
      assert(!this.#byPath.has(path), `two kinds for ${path}`);
      this.#byPath.set(path, this.#make(kind));
    }
  }

  /** The kinds that clients are shown: another list after each change. */
  get kinds(): readonly Kind[] {
    return this.#allShown().all;
  }

  /** The kinds of custom resources: another list after each change. */
  get custom(): readonly Kind[] {
    return this.#allShown().custom;
  }

  #allShown() {
    if (this.#shown === undefined) {
      const custom = [...this.#custom.values()].flat().map(shownKind);
      const all = custom.length === 0 ? this.builtIn : [...this.builtIn, ...custom];
      this.#shown = { all, custom };
    }
    return this.#shown;
  }

  /**
   * Serves the kinds of a definition, one for each version, in place of those before. Kinds in a
   * version of this server itself are not served, as upstream, nor those over its rows.
   */
  install(definition: string, kinds: readonly Kind[]): void {
    const served = kinds.filter(
      (kind) => !this.#builtInVersions.has(apiVersionOf(kind)) && !this.overlaps(kind),
    );
    const own = new Set(this.#custom.get(definition));
    for (const path of served.map(pathOf)) {
      const there = this.#byPath.get(path);
      assert(there === undefined || own.has(there), `two kinds for ${path}`);
    }
    this.#end(definition);
    const resources = served.map(this.#make);
    for (const resource of resources) this.#byPath.set(pathOf(resource.kind), resource);
    this.#custom.set(definition, resources);
    this.#shown = undefined;
  }

  /** Whether a custom kind would lie where a kind of this server itself does. */
  overlaps(kind: Kind): boolean {
    return kind.storage !== undefined && this.#builtInPrefixes.has(kind.storage.prefix);
  }

  /** A resource that no request reaches: where objects of a kind lie. */
  detached(kind: Kind): Resource {
    return this.#make(kind);
  }

  /** Ends the resources of a definition: their watches end, their caches are given back. */
  remove(definition: string): void {
    const resources = this.#custom.get(definition);
    if (resources === undefined) return;
    // Creations that are under way must not leave objects behind.
    for (const resource of resources) resource.terminating = true;
    this.#end(definition);
    this.#shown = undefined;
  }

  /** A definition is being deleted: no object of it is created any more. */
  terminate(definition: string): void {
    for (const resource of this.#custom.get(definition) ?? []) resource.terminating = true;
    this.#shown = undefined;
  }

  #end(definition: string): void {
    for (const resource of this.#custom.get(definition) ?? []) {
      this.#byPath.delete(pathOf(resource.kind));
      const { group, plural } = storedAs(resource.kind);
      this.#metrics.delete(`${plural}.${group}`);
      const ended = resource.close().finally(() => this.#ending.delete(ended));
      this.#ending.add(ended);
    }
    this.#custom.delete(definition);
  }

  /** Versions of a resource share what is counted of it, as they share what is stored. */
  #metricsOf({ group, plural }: { group: string; plural: string }, clock: Clock): ResourceMetrics {
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
    const found = this.#byPath.get(pathOf({ group, version, plural }));
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

  /**
   * Sums what objects in memory count for in the store by their namespaces, each place once. With
   * `all` the caches of other places are started, which later calls count.
   */
  storedBytes(all: boolean): Map<string, number> {
    const sums = new Map<string, number>();
    const places = new Set<string | undefined>();
    for (const { kind, startedCache } of this.all()) {
      const place = kind.storage?.prefix;
      if (startedCache === undefined || places.has(place)) continue;
      places.add(place);
      for (const [namespace, bytes] of startedCache.stored) {
        sums.set(namespace, (sums.get(namespace) ?? 0) + bytes);
      }
    }
    for (const resource of all ? this.all() : []) {
      const { storage, group, version } = resource.kind;
      if (storage?.as.group !== group || storage.as.version !== version) continue;
      if (places.has(storage.prefix)) continue;
      places.add(storage.prefix);
      // A kind that cannot be read is logged by its feed, and counts for nothing.
      resource.cache().catch(() => undefined);
    }
    return sums;
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
    await Promise.all([...[...this.all()].map((resource) => resource.close()), ...this.#ending]);
  }
}

function pathOf(kind: Pick<Kind, "group" | "version" | "plural">): string {
  return `${apiVersionOf(kind)}/${kind.plural}`;
}

const shownKind = ({ kind, terminating }: Resource): Kind =>
  terminating ? { ...kind, verbs: TERMINATING_VERBS } : kind;

/** The resource under whose name a kind is encrypted: that of the stored group. */
function storedAs(kind: Kind): { group: string; plural: string } {
  return { group: kind.storage?.as.group ?? kind.group, plural: kind.plural };
}
