import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Runtime } from "../cri/runtime.ts";
import { Evictions } from "../eviction/evictions.ts";
import { SocketLimits } from "../eviction/socket-limits.ts";
import { StorageLimits } from "../eviction/storage-limits.ts";
import { collectContainers, removeEndedPods } from "../housekeeping/container-gc.ts";
import { ImageGc } from "../housekeeping/image-gc.ts";
import { LogRotation } from "../housekeeping/rotate-logs.ts";
import {
  CONTAINER_GC_PERIOD_MS,
  EVICTION_PERIOD_MS,
  IMAGE_GC_HIGH_PERCENT,
  IMAGE_GC_LOW_PERCENT,
  IMAGE_GC_PERIOD_MS,
  LOG_ROTATE_PERIOD_MS,
  STORAGE_PERIOD_MS,
} from "../limits.ts";
import { memoryAvailable_bytes, tcpMemory_bytes } from "../node/machine.ts";
import type { PressureConditions } from "../node/pressure.ts";
import { EVICTION_HARD, type KubeletOptions } from "../options.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";

const log = logger("kubelet-housekeeping");

export interface HousekeepingPorts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly events: PodEventSink;
  readonly cgroups: PodCgroups;
  readonly volumes: PodVolumes;
  readonly paths: PodPaths;
  readonly workers: PodWorkers;
  readonly pressure: PressureConditions;
  /** Called when a condition of the node has changed. */
  nodeChanged(): void;
}

/** Starts log rotation, garbage collection, eviction and the limits of local storage. */
export function startHousekeeping(
  options: KubeletOptions,
  ports: HousekeepingPorts,
): { close(): Promise<void> } {
  const { clock, runtime, paths, workers } = ports;
  const { highPercent = IMAGE_GC_HIGH_PERCENT, lowPercent = IMAGE_GC_LOW_PERCENT } =
    options.imageGc ?? {};
  const imageGc = new ImageGc({
    runtime,
    highPercent,
    lowPercent,
    clock,
    pods: () => workers.list().flatMap(({ reclaimed, pod }) => (reclaimed ? [] : pod)),
  });
  const evictions = new Evictions({
    ...ports,
    rootDir: options.rootDir,
    thresholds: { ...EVICTION_HARD, ...options.evictionHard },
    removeEnded: () => removeEndedPods(workers),
    async freeDisk() {
      await collectContainers(runtime, workers, paths);
      await imageGc.freeAll();
    },
    changed: ports.nodeChanged,
  });
  const rotation = new LogRotation(ports);
  const evict = (pod: Pod, message: string) => evictions.evict(pod, message);
  const storage = new StorageLimits({ ...ports, evict });
  const sockets = new SocketLimits({
    ...ports,
    evict,
    available_bytes: memoryAvailable_bytes,
    tcp_bytes: tcpMemory_bytes,
  });
  const every = (max_ms: number, name: string, run: () => Promise<void | number>) => {
    const runner = new Runner({ clock, run, max_ms, report: failureLog(log, `${name} failed`) });
    runner.request(max_ms);
    return runner;
  };
  const { tracer } = options;
  const trace = <T>(name: string, work: () => Promise<T>) =>
    tracer ? tracer.trace(name, work) : work();
  const runners = [
    every(LOG_ROTATE_PERIOD_MS, "log rotation", () => rotation.run()),
    every(CONTAINER_GC_PERIOD_MS, "container garbage collection", () =>
      trace("Containers/GarbageCollect", () => collectContainers(runtime, workers, paths)),
    ),
    every(IMAGE_GC_PERIOD_MS, "image garbage collection", () =>
      trace("Images/GarbageCollect", () => imageGc.run()),
    ),
    every(EVICTION_PERIOD_MS, "eviction", () => evictions.run("memory and processes")),
    every(EVICTION_PERIOD_MS, "eviction for disk space", () => evictions.run("disk")),
    every(STORAGE_PERIOD_MS, "storage limits", () => storage.run()),
    every(EVICTION_PERIOD_MS, "limits of sockets", () => sockets.run()),
  ];
  return {
    async close() {
      await Promise.all(runners.map((runner) => runner.close()));
    },
  };
}
