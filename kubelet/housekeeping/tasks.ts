import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Evictions } from "../eviction/evictions.ts";
import { StorageLimits } from "../eviction/storage-limits.ts";
import {
  CONTAINER_GC_PERIOD_MS,
  EVICTION_PERIOD_MS,
  IMAGE_GC_PERIOD_MS,
  LOG_ROTATE_PERIOD_MS,
  STORAGE_PERIOD_MS,
} from "../limits.ts";
import type { PodDeps } from "../sync/pod-deps.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import { collectContainers } from "./container-gc.ts";
import type { ImageGc } from "./image-gc.ts";
import { LogRotation } from "./rotate-logs.ts";

export interface HousekeepingTask {
  readonly name: string;
  readonly period_ms: number;
  /** Runs the task; may return another pause until the next time, in milliseconds. */
  run(): Promise<void | number>;
}

/** Returns the periodic tasks of a node. */
export function housekeepingTasks(
  { runtime, clock, paths, volumes }: PodDeps,
  workers: PodWorkers,
  imageGc: ImageGc,
  evictions: Evictions,
): HousekeepingTask[] {
  const evict = (pod: Pod, message: string) => evictions.evict(pod, message);
  const rotation = new LogRotation({ runtime, workers, paths, clock });
  const storage = new StorageLimits({ runtime, clock, paths, workers, volumes, evict });
  return [
    {
      name: "log rotation",
      period_ms: LOG_ROTATE_PERIOD_MS,
      run: () => rotation.run(),
    },
    {
      name: "container garbage collection",
      period_ms: CONTAINER_GC_PERIOD_MS,
      run: () => collectContainers(runtime, workers, paths),
    },
    { name: "image garbage collection", period_ms: IMAGE_GC_PERIOD_MS, run: () => imageGc.run() },
    { name: "eviction", period_ms: EVICTION_PERIOD_MS, run: () => evictions.run() },
    { name: "storage limits", period_ms: STORAGE_PERIOD_MS, run: () => storage.run() },
  ];
}
