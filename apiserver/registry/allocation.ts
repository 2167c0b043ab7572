import type { KubeObject } from "@raft2kube/api/kind.ts";

/**
 * What one write has reserved. Exactly one of the two is called, once the write's fate is known.
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
