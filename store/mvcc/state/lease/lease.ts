import { MessageType } from "@raft2kube/proto/codec.ts";
import type { CheckedKeys } from "../../../auth/authorize.ts";

/** A lease in the replicated state. Its clock is not part of it: see `LeaseTimers`. */
export interface Lease {
  id: bigint;
  ttl_s: number;
  /**
   * Remaining TTL at the last checkpoint; 0 when it was never checkpointed or was renewed since.
   */
  remaining_s: number;
  keys: Set<string>;
  /** This member's own: what is known of its callers' permissions. */
  checked?: CheckedKeys | undefined;
}

/** leasepb.Lease, as etcd stores it in its `lease` bucket. */
export type StoredLease = { ID: bigint; TTL: number; RemainingTTL: number };
export const StoredLease: MessageType<StoredLease> = new MessageType("leasepb.Lease", () => [
  { id: 1, name: "ID", type: "int64", bigint: true },
  { id: 2, name: "TTL", type: "int64" },
  { id: 3, name: "RemainingTTL", type: "int64" },
]);

const PREFIX = Buffer.from("lease/", "latin1");

/** Returns the backend key of a lease. */
export function leaseKey(id: bigint): Buffer {
  const key = Buffer.allocUnsafe(PREFIX.length + 8);
  PREFIX.copy(key);
  key.writeBigUInt64BE(BigInt.asUintN(64, id), PREFIX.length);
  return key;
}

/** All leases, and the keys attached to each (etcd: the lessor). */
export class LeaseTable {
  readonly #leases = new Map<bigint, Lease>();
  readonly #leaseOfKey = new Map<string, bigint>();

  get size(): number {
    return this.#leases.size;
  }

  get(id: bigint): Lease | undefined {
    return this.#leases.get(id);
  }

  values(): Iterable<Lease> {
    return this.#leases.values();
  }

  add(id: bigint, ttl_s: number, remaining_s = 0): Lease {
    const lease = { id, ttl_s, remaining_s, keys: new Set<string>() };
    this.#leases.set(id, lease);
    return lease;
  }

  remove(id: bigint): void {
    this.#leases.delete(id);
  }

  /** Every key that hangs on a lease. */
  attached(): Iterable<[key: string, lease: bigint]> {
    return this.#leaseOfKey;
  }

  /** Hangs a key on a lease, or with 0 on none. */
  attach(key: string, id: bigint): void {
    const old = this.#leaseOfKey.get(key);
    if (old === id) return;
    if (old !== undefined) this.#detach(key, old);
    if (id === 0n) {
      if (old !== undefined) this.#leaseOfKey.delete(key);
      return;
    }
    this.#leaseOfKey.set(key, id);
    const lease = this.#leases.get(id);
    lease?.keys.add(key);
    lease?.checked?.since.add(key);
  }

  #detach(key: string, id: bigint): void {
    const lease = this.#leases.get(id);
    lease?.keys.delete(key);
    lease?.checked?.since.delete(key);
  }
}
