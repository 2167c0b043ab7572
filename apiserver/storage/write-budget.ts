import { forbidden, tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import type { StatusResponse } from "@raft2kube/proto/gen/etcd.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import {
  EVENT_TTL_S,
  NAMESPACE_LEAST,
  STORE_LOOK_MS,
  STORE_SPACE,
  STORE_WRITES,
} from "../limits.ts";

/** The parts of a store's status that say how large it is, and may become. */
export type StoreSize = Pick<
  StatusResponse,
  "dbSize" | "dbSizeInUse" | "dbSizeQuota" | "storageVersion"
>;

/** Bytes in use: etcd's file keeps what was freed for later writes; kine reports one size. */
export const usedBytes = ({ dbSize, dbSizeInUse }: StoreSize): number => dbSizeInUse || dbSize;

/**
 * Bytes that may be added until only the reserve, or a `part` of it, is left of the quota; `used`:
 * where more is used up than the store has.
 */
export function spaceLeft(size: StoreSize, part = 1, used = usedBytes(size)): number {
  const { dbSizeQuota, storageVersion } = size;
  // etcd reports 0 for its default, and before 3.6 always; less than 0 is no quota.
  const quota = dbSizeQuota || (storageVersion === "" ? -1 : STORE_SPACE.quota_bytes);
  if (quota < 0) return STORE_SPACE.rest_bytes;
  return Math.max(0, quota * (1 - part * STORE_SPACE.reserve) - used);
}

/** Bytes that an object of a length counts for: small ones take more memory than their length. */
const countedBytes = (length: number): number =>
  length === 0 ? 0 : Math.max(length, STORE_WRITES.object_bytes);

/** A write that is about to be made: its length in bytes, and that of what it replaces, or 0. */
export interface Write {
  readonly length: number;
  readonly before: number;
  /** The namespace that it counts for; none by default. */
  readonly namespace?: string;
  readonly isNodeLease?: boolean;
}

/** Bytes that owners share: each may take a part of what all leave. */
class Pool {
  #left = 0;
  readonly #taken = new Map<string, number>();

  fill(bytes: number): void {
    this.#left = bytes;
    this.#taken.clear();
  }

  /** Takes bytes for an owner, if they are within its share. */
  take(name: string, bytes: number): boolean {
    const taken = (this.#taken.get(name) ?? 0) + bytes;
    if (taken > this.#left * STORE_WRITES.each) return false;
    this.#taken.set(name, taken);
    this.#left -= bytes;
    return true;
  }
}

/**
 * Bounds what is written into the store until its size is looked at again: to a part of what it has
 * left, so that no one fills it, and none faster than compactions give its space back. The more
 * owners write, the less has each, and one that comes later finds as much. Nodes, and what adds
 * nothing (deletions), may also use the reserve; Leases of nodes have bytes of their own, since the
 * statuses of a tenant's pods use up their node's. The control plane and administrators are not
 * bounded.
 *
 * What is there is bounded too: objects of a namespace of users may have half of what all others
 * leave of the store, so that one tenant leaves half of it, two a quarter. A node adds no
 * more than a part of it in the time that events live.
 */
export class WriteBudget {
  readonly #ordinary = new Pool();
  readonly #reserve = new Pool();
  readonly #leases = new Pool();
  readonly #storedBytes: (all: boolean) => Map<string, number>;
  /** Bytes of the objects of each namespace at the last look, and of those added since. */
  #stored = new Map<string, number>();
  /** Bytes that all objects leave of the store, and those that a namespace may have in any case. */
  #unused = 0;
  #least = 0;
  /** Bytes of new objects of each node since `#addedSince_ms`. */
  readonly #addedByNodes = new Map<string, number>();
  #addedSince_ms: number;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #logRefusal: ReturnType<typeof recurring>;

  /** `storedBytes` is Resources': `all` once the store is so full that a share may be used up. */
  constructor(storedBytes: (all: boolean) => Map<string, number>, clock: Pick<Clock, "monotonic">) {
    this.#storedBytes = storedBytes;
    this.#clock = clock;
    this.#addedSince_ms = clock.monotonic();
    this.#logRefusal = recurring(
      logger("apiserver"),
      "writes use up what the store has left",
      clock,
    );
    this.looked({ dbSize: 0, dbSizeInUse: 0, dbSizeQuota: -1, storageVersion: "" });
  }

  /** Starts again, with what the store has left. */
  looked(size: StoreSize): void {
    this.#least = spaceLeft(size, 1, 0) * NAMESPACE_LEAST;
    this.#stored = this.#storedBytes(usedBytes(size) > this.#least);
    const objects = [...this.#stored.values()].reduce((sum, bytes) => sum + bytes, 0);
    this.#unused = spaceLeft(size, 1, objects);
    const now_ms = this.#clock.monotonic();
    if (now_ms - this.#addedSince_ms >= EVENT_TTL_S * 1_000) {
      this.#addedByNodes.clear();
      this.#addedSince_ms = now_ms;
    }
    const used = Math.max(usedBytes(size), objects);
    const left = spaceLeft(size, 1, used);
    this.#ordinary.fill(left * STORE_WRITES.part);
    this.#reserve.fill((spaceLeft(size, 0.5, used) - left) * STORE_WRITES.part);
    this.#leases.fill(spaceLeft(size, 0.25, used) * STORE_WRITES.part);
  }

  /**
   * Counts what is about to be written. Throws 429 if it is more than its owner's share, and 403 if
   * it adds to a namespace that has its share of the store.
   */
  take({ name, may }: Owner, { length, before, namespace = "", isNodeLease }: Write): void {
    if (may === "all") return;
    if (namespace !== "") this.#add(namespace, countedBytes(length) - countedBytes(before));
    const bytes = before === 0 ? countedBytes(length) : length;
    const isOfNode = may === "reserve" && namespace === "" && before === 0;
    const added = isOfNode ? (this.#addedByNodes.get(name) ?? 0) + bytes : 0;
    const inReserve = may !== undefined || bytes <= before;
    const isTaken =
      added <= this.#least &&
      (this.#ordinary.take(name, bytes) || (inReserve && this.#reserve.take(name, bytes)));
    if (isTaken) {
      if (isOfNode) this.#addedByNodes.set(name, added);
      return;
    }
    const isSmall = bytes <= STORE_WRITES.object_bytes;
    if (isNodeLease && isSmall && this.#leases.take(name, bytes)) return;
    this.#logRefusal({ of: name, bytes });
    throw tooMany(STORE_LOOK_MS / 1_000);
  }

  #add(namespace: string, added: number): void {
    if (added <= 0) return;
    const held = this.#stored.get(namespace) ?? 0;
    const share = Math.max(this.#least, (this.#unused + held) / 2);
    const bytes = held + added;
    if (bytes <= share) {
      this.#stored.set(namespace, bytes);
      this.#unused -= added;
      return;
    }
    this.#logRefusal({ of: `namespace ${namespace}`, bytes });
    // Not 429: clients wait and try again, and what others wait for waits behind that.
    const why = `objects of namespace ${namespace} would have ${bytes} bytes of the store`;
    const remedy = "delete some, or have the store's --quota-backend-bytes raised";
    const message = `${why}, its share is ${Math.floor(share)}: ${remedy}`;
    throw forbidden({ group: "", name: "" }, "", message);
  }
}
