import type { Evictions } from "../eviction/evictions.ts";
import {
  CONTAINER_GC_PERIOD_MS,
  EVICTION_PERIOD_MS,
  IMAGE_GC_PERIOD_MS,
  LOG_ROTATE_PERIOD_MS,
} from "../limits.ts";
import type { PodDeps } from "../sync/pod-deps.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import { collectContainers } from "./container-gc.ts";
import type { ImageGc } from "./image-gc.ts";
import type { Chore } from "./periodic.ts";
import { rotateLogs } from "./rotate-logs.ts";

/** All that a node has to have done to it from time to time. */
export function nodeChores(
  { runtime, clock, paths }: PodDeps,
  workers: PodWorkers,
  imageGc: ImageGc,
  evictions: Evictions,
): Chore[] {
  return [
    {
      name: "log rotation",
      period_ms: LOG_ROTATE_PERIOD_MS,
      run: () => rotateLogs({ runtime, workers, paths, now_ms: clock.now() }),
    },
    {
      name: "container garbage collection",
      period_ms: CONTAINER_GC_PERIOD_MS,
      run: () => collectContainers(runtime, workers, paths.containerLogsDir),
    },
    { name: "image garbage collection", period_ms: IMAGE_GC_PERIOD_MS, run: () => imageGc.run() },
    { name: "eviction", period_ms: EVICTION_PERIOD_MS, run: () => evictions.run() },
  ];
}
