import type { Kind } from "@raft2kube/api/kind.ts";
import { type GroupName, serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { ValueEncryption } from "@raft2kube/encryption/value-encryption.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { Feed } from "../cache/feed.ts";
import { WatchCache } from "../cache/watch-cache.ts";
import { EVENT_TTL_S } from "../limits.ts";
import { ResourceMetrics, WatchMetrics } from "../metrics/resource-metrics.ts";
import { prefixOf } from "../storage/keys.ts";
import { LeasePool } from "../storage/lease-pool.ts";
import { ObjectStore } from "../storage/object-store.ts";
import { ProgressProof } from "../storage/progress-proof.ts";
import type { Allocation } from "./allocation.ts";

export interface ResourceOptions {
  /** Whether the store can prove how new a watch is; shared by all resources. */
  proof?: ProgressProof;
  valueEncryption?: ValueEncryption;
  /** Metrics shared by the versions of a resource; by default its own. */
  metrics?: ResourceMetrics;
}

/**
 * One kind being served: its description, its objects in the store, and its watch cache once asked
 * for.
 */
export class Resource {
  readonly kind: Kind;
  readonly store: ObjectStore;
  /** `deployments` in `apps`: what errors about an object name. */
  readonly subject: GroupName;
  /** `Deployment` in `apps`: what errors about a body name. */
  readonly kindSubject: GroupName;
  /** Reserves addresses and ports for writes of Services. */
  allocation: Allocation | undefined;
  /** Counters of the resource in all its versions, and of the watches of this version. */
  readonly metrics: ResourceMetrics;
  readonly watched: WatchMetrics = new WatchMetrics();
  readonly #etcd: EtcdClient;
  readonly #clock: Clock;
  readonly #leases: LeasePool;
  readonly #proof: ProgressProof;
  #fed: { cache: WatchCache; feed: Feed } | undefined;
  #closed = false;
  /** Whether the resource's definition is being deleted: no object is created any more. */
  terminating = false;

  constructor(
    kind: Kind,
    etcd: EtcdClient,
    clock: Clock,
    { proof = new ProgressProof(etcd), valueEncryption, metrics }: ResourceOptions = {},
  ) {
    this.metrics = metrics ?? new ResourceMetrics(kind.group, kind.plural, clock);
    this.kind = kind;
    this.#proof = proof;
    this.#etcd = etcd;
    this.#clock = clock;
    this.subject = { group: kind.group, name: kind.plural };
    // Complaints name the kind that it is stored as: an Event of either group is the core's.
    const { group } = kind.storage?.as ?? kind;
    this.kindSubject = { group, name: kind.kind };
    this.#leases = new LeasePool(etcd, clock, this.metrics.store.leaseObjects);
    const counted = { valueEncryption, metrics: this.metrics.store };
    this.store = new ObjectStore(kind, etcd, this.subject, counted);
  }

  /**
   * Returns the watch cache, with at least its first list. The first call starts it: from revision
   * `since` if the store still has it, so that a client that listed at that revision can watch from
   * there. Throws 503 once the resource is closed.
   */
  async cache(since?: number): Promise<WatchCache> {
    this.#refuseClosed();
    if (this.#fed === undefined) {
      const cache = new WatchCache(this.#clock, this.metrics.cache, this.watched);
      const feed = new Feed(this.store, this.#etcd, cache, { clock: this.#clock, since });
      this.#fed = { cache, feed };
    }
    const { cache, feed } = this.#fed;
    try {
      await feed.ready;
    } finally {
      this.#refuseClosed();
    }
    return cache;
  }

  /**
   * Whether the cache, which it starts, waits for a webhook to convert its objects: one that hangs
   * or fails for those of a namespace fails no list of another's, which is read from the store
   * (upstream: ResilientWatchCacheInitialization).
   */
  get isConverting(): boolean {
    if (this.kind.convert === undefined || this.#fed?.feed.isWhole) return false;
    this.cache().catch(() => undefined);
    return !this.#closed;
  }

  #refuseClosed(): void {
    if (this.#closed) throw serviceUnavailable(`${this.kind.plural} changed; try again`);
  }

  /**
   * The watch cache once it holds all that the store holds now, confirmed by the store's quorum;
   * undefined when the store cannot prove that, or takes too long to.
   */
  async freshCache(): Promise<WatchCache | undefined> {
    const cache = await this.cache();
    if (!(await this.#proof.holds())) return undefined;
    const revision = await this.store.rows.revision();
    const metrics = this.metrics.cache;
    const from_ms = this.#clock.monotonic();
    const caughtUp = (await this.#fed?.feed.catchUp(revision)) ?? false;
    metrics.readWaits.observe((this.#clock.monotonic() - from_ms) / 1_000);
    (caughtUp ? metrics.consistent : metrics.consistentByStore).add();
    return caughtUp ? cache : undefined;
  }

  /** The cache if it has been asked for; metrics and bookmarks must not start one. */
  get startedCache(): WatchCache | undefined {
    return this.#fed?.cache;
  }

  /** Counts the objects in the store. */
  async stored(): Promise<number> {
    return await this.store.rows.count(prefixOf(this.kind));
  }

  /** The store's lease that a new object ends with; undefined for kinds that stay until deleted. */
  async lease(): Promise<bigint | undefined> {
    const { storage } = this.kind;
    return storage?.prefix === "events" ? await this.#leases.take(EVENT_TTL_S) : undefined;
  }

  /** Ends the watches, stops following the store, and gives back what is kept in memory. */
  async close(): Promise<void> {
    this.#closed = true;
    const fed = this.#fed;
    this.#fed = undefined;
    this.store.recent.close();
    fed?.cache.end();
    await fed?.feed.close();
    fed?.cache.close();
  }
}
