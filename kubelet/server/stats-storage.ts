import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Runtime } from "../cri/runtime.ts";
import { totalOf } from "../eviction/local-storage.ts";
import { logsUsage, measureStorage, type PodProcesses } from "../eviction/measure-storage.ts";
import { containersOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";
import type { VolumeUsage } from "../volumes/volume-usage.ts";
import { Measurements, type MeasurementsOptions } from "./measurements.ts";

/** Usage of volumes, by name of the volume. */
export type VolumeUsages = ReadonlyMap<string, VolumeUsage>;

/** Disk and volume usage of a pod at its last measurement. */
export interface PodStorage {
  time_ms: number;
  /** The usage that counts against the pod's limit of ephemeral storage. */
  ephemeral: TreeUsage;
  /** Usage of logs by name of the container. */
  logs: ReadonlyMap<string, TreeUsage>;
  volumes: VolumeUsages;
}

export interface PodStoragesOptions {
  clock: Clock;
  workers: MeasurementsOptions<unknown>["workers"];
  runtime: Runtime;
  cgroups: PodProcesses;
  paths: PodPaths;
  volumes: PodVolumes;
}

/** Measures everything that the summary has of pods' storage. */
export function podStorages(options: PodStoragesOptions): Measurements<PodStorage> {
  const { clock, workers, paths, volumes } = options;
  const measure = async (pod: Pod) => {
    const storage = await measureStorage(pod, options);
    const logs = new Map<string, TreeUsage>();
    for (const {
      container: { name },
    } of containersOf(pod)) {
      logs.set(name, await logsUsage(paths, pod, name));
    }
    return {
      time_ms: clock.now(),
      ephemeral: totalOf(storage),
      logs,
      volumes: await volumes.usages(pod, { measured: storage.volumes }),
    };
  };
  return new Measurements({ clock, workers, measure });
}

/** Measures only pods' volumes of claims: it walks no files of the node. */
export function claimUsages({
  clock,
  workers,
  volumes,
}: Pick<PodStoragesOptions, "clock" | "workers" | "volumes">): Measurements<VolumeUsages> {
  const measure = (pod: Pod) => volumes.usages(pod, { names: new Set(claimsOf(pod).keys()) });
  return new Measurements({ clock, workers, measure });
}

/** Returns the names of a pod's claims by those of their volumes. */
export function claimsOf(pod: Pod): Map<string, string> {
  return new Map(
    (pod.spec.volumes ?? []).flatMap((volume) => {
      const claim = claimNameOf(pod, volume);
      return claim === undefined ? [] : [[volume.name, claim]];
    }),
  );
}
