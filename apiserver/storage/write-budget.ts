import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import type { StatusResponse } from "@raft2kube/proto/gen/etcd.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Owner } from "@raft2kube/std/shares.ts";
import { STORE_LOOK_MS, STORE_SPACE, STORE_WRITES } from "../limits.ts";

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
 * nothing (deletions, leases), may also use the reserve; the control plane and administrators are
 * not bounded.
 */
export class WriteBudget {
  readonly #ordinary = new Pool();
  readonly #reserve = new Pool();
  readonly #objects: () => number;
  readonly #logRefusal: ReturnType<typeof recurring>;

  /** `objects`: how many there are in memory, where each takes more than in the store. */
  constructor(objects: () => number, clock: Pick<Clock, "monotonic">) {
    this.#objects = objects;
    this.#logRefusal = recurring(
      logger("apiserver"),
      "writes use up what the store has left",
      clock,
    );
    this.looked({ dbSize: 0, dbSizeInUse: 0, dbSizeQuota: -1, storageVersion: "" });
  }

  /** Starts again, with what the store has left. */
  looked(size: StoreSize): void {
    const used = Math.max(usedBytes(size), this.#objects() * STORE_WRITES.object_bytes);
    const left = spaceLeft(size, 1, used);
    this.#ordinary.fill(left * STORE_WRITES.part);
    this.#reserve.fill((spaceLeft(size, 0.5, used) - left) * STORE_WRITES.part);
  }

  /**
   * Counts a length in bytes that is about to be written in the place of `before`, 0 if that is
   * new. Throws 429 if it is more than its owner's share.
   */
  take({ name, may }: Owner, length: number, before: number): void {
    const bytes = before === 0 ? Math.max(length, STORE_WRITES.object_bytes) : length;
    if (may === "all" || this.#ordinary.take(name, bytes)) return;
    const addsNothing = bytes <= before;
    if ((may || addsNothing) && this.#reserve.take(name, bytes)) return;
    this.#logRefusal({ of: name, bytes });
    throw tooMany(STORE_LOOK_MS / 1_000);
  }
}
