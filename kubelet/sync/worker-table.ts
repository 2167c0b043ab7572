import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodWorker } from "./worker.ts";

/** The workers of the node's pods by UID, in the order of arrival. Only PodWorkers writes it. */
export type WorkerTable = Map<string, PodWorker>;

/**
 * Returns the pods that hold resources of the node, with those allocated to them: the pods that run
 * or are being stopped.
 */
export function activePods(workers: ReadonlyMap<string, PodWorker>): Pod[] {
  return [...workers.values()]
    .filter(({ state }) => state === "syncing" || state === "terminating")
    .map(({ allocated }) => allocated);
}
