import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { Histogram } from "@raft2kube/observe/families.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { LEASE_OBJECTS_MAX, LEASE_SHARING_MS } from "../limits.ts";

/** Leases for objects that end by themselves; objects written close together share one. */
export class LeasePool {
  readonly #etcd: EtcdClient;
  readonly #clock: Clock;
  readonly #objects: Histogram;
  #current: { id: Promise<bigint>; until_ms: number; objects: number } | undefined;

  /** `objects` counts how many share a lease. */
  constructor(etcd: EtcdClient, clock: Clock, objects: Histogram) {
    this.#objects = objects;
    this.#etcd = etcd;
    this.#clock = clock;
  }

  /** A lease that lasts at least `ttl_s` from now. */
  async take(ttl_s: number): Promise<bigint> {
    const now_ms = this.#clock.monotonic();
    const current = this.#current;
    if (current && current.until_ms > now_ms && current.objects < LEASE_OBJECTS_MAX) {
      current.objects++;
      return await current.id;
    }
    this.#objects.observe(current?.objects ?? 0);
    const id = this.#grant(ttl_s + LEASE_SHARING_MS / 1000);
    this.#current = { id, until_ms: now_ms + LEASE_SHARING_MS, objects: 1 };
    return await id;
  }

  async #grant(ttl_s: number): Promise<bigint> {
    try {
      return (await this.#etcd.leaseGrant({ TTL: ttl_s })).ID;
    } catch (thrown) {
      this.#current = undefined;
      throw thrown;
    }
  }
}
