import type { KubeObject } from "@raft2kube/api/kind.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";

/**
 * Reservations of one write. One of the two is called, at most once, when the write's fate is
 * known.
 */
export interface Reservation {
  /** The write did not happen: what was reserved for it is free again. */
  giveBack(): Promise<void>;
  /** The write happened: what only the old state used is free now. */
  settle(): Promise<void>;
}

/** Values that objects of a kind hold exclusively across the cluster. */
export interface Allocation {
  /** Reserves what `object` names or wants (writing it into the object). Throws 422 when taken. */
  reserve(object: KubeObject, old: KubeObject | undefined, dryRun: boolean): Promise<Reservation>;
  /** The object is gone. */
  release(object: KubeObject): Promise<void>;
}

/**
 * Releases the reservations of a failed write. If its outcome is unknown, the write may have
 * succeeded: then they stay reserved, and the repair releases them if no Service uses them.
 */
export async function giveBackAfter(
  failure: unknown,
  reserved: Reservation | undefined,
): Promise<void> {
  if (!(failure instanceof EtcdError)) await reserved?.giveBack();
}
