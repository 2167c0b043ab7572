import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { Evictions } from "../eviction/evictions.ts";
import { housekeepingTasks } from "../housekeeping/tasks.ts";
import { collectContainers } from "../housekeeping/container-gc.ts";
import { ImageGc } from "../housekeeping/image-gc.ts";
import { IMAGE_GC_HIGH_PERCENT, IMAGE_GC_LOW_PERCENT } from "../limits.ts";
import type { PressureConditions } from "../node/pressure.ts";
import { EVICTION_HARD, type KubeletOptions } from "../options.ts";
import type { PodDeps } from "../sync/pod-deps.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";

const log = logger("kubelet-housekeeping");

export interface HousekeepingParts {
  workers: PodWorkers;
  pressure: PressureConditions;
  /** Called when a condition of the node has changed. */
  nodeChanged(): void;
}

/** Starts log rotation, garbage collection and eviction. */
export function startHousekeeping(
  options: KubeletOptions,
  deps: PodDeps,
  { workers, pressure, nodeChanged }: HousekeepingParts,
): { close(): Promise<void> } {
  const { clock, runtime, paths } = deps;
  const { highPercent = IMAGE_GC_HIGH_PERCENT, lowPercent = IMAGE_GC_LOW_PERCENT } =
    options.imageGc ?? {};
  const imageGc = new ImageGc({ runtime, highPercent, lowPercent, now_ms: () => clock.now() });
  const evictions = new Evictions({
    ...deps,
    workers,
    pressure,
    rootDir: options.rootDir,
    thresholds: { ...EVICTION_HARD, ...options.evictionHard },
    async freeDisk() {
      await collectContainers(runtime, workers, paths);
      await imageGc.freeAll();
    },
    changed: nodeChanged,
  });
  const tasks = housekeepingTasks(deps, workers, imageGc, evictions);
  const runners = tasks.map(({ name, period_ms, run }) => {
    const report = failureLog(log, `${name} failed`);
    const runner = new Runner({ clock, run, max_ms: period_ms, report });
    runner.request(period_ms);
    return runner;
  });
  return {
    async close() {
      await Promise.all(runners.map((runner) => runner.close()));
    },
  };
}
