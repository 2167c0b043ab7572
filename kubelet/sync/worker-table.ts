import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodWorker } from "./worker.ts";

/** The workers of the node's pods by UID, in the order of arrival. Only PodWorkers writes it. */
export type WorkerTable = Map<string, PodWorker>;

/** Returns the pods that run or are being stopped, with the resources allocated to them. */
export function activePods(workers: ReadonlyMap<string, PodWorker>): Pod[] {
  return active(workers).map(({ allocated }) => allocated);
}

/**
 * Returns those of them that hold resources of the node. A pod that waits for its admission does
 * not, nor one that was refused: of many that come together as many are admitted as fit. Nor does
 * one whose object was removed by force, though it is still being stopped: the scheduler has given
 * its resources to the next pod, which would fail for good (upstream's GetActivePods).
 */
export const admittedPods = (workers: ReadonlyMap<string, PodWorker>): Pod[] =>
  active(workers).flatMap((one) => (one.isAdmitted && !one.forgotten ? [one.allocated] : []));

const active = (workers: ReadonlyMap<string, PodWorker>): PodWorker[] =>
  [...workers.values()].filter(({ state }) => state === "syncing" || state === "terminating");
