import type { Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { canonicalQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { podRequirements } from "../containers/qos.ts";
import type { VolumeUsage } from "../volumes/volume-usage.ts";

/** A pod's usage of the node's disk. */
export interface LocalStorage {
  /** Usage of emptyDirs and inline volumes that are on disk, by name of the volume. */
  volumes: ReadonlyMap<string, TreeUsage>;
  /**
   * Usage of a container's writable layer, logs and termination message, by name of the container.
   */
  containers: ReadonlyMap<string, TreeUsage>;
  /** The pod's /etc/hosts, which its containers may write to (CVE-2020-8557). */
  hosts: TreeUsage;
  /** Usage of files that its processes have removed, and keep open or mapped. */
  unlinked: TreeUsage;
}

export const NOTHING: TreeUsage = { used_bytes: 0, inodes: 0 };

export function sumOf(usages: Iterable<TreeUsage>): TreeUsage {
  return [...usages].reduce(
    (sum, { used_bytes, inodes }) => ({
      used_bytes: sum.used_bytes + used_bytes,
      inodes: sum.inodes + inodes,
    }),
    NOTHING,
  );
}

/** Returns the usage that counts against the pod's own limit. */
export function totalOf({ volumes, containers, hosts, unlinked }: LocalStorage): TreeUsage {
  return sumOf([...volumes.values(), ...containers.values(), hosts, unlinked]);
}

/** An emptyDir on disk; one in memory is held to its size by the kernel. */
export function isOnDisk({ emptyDir }: Volume): boolean {
  return emptyDir !== undefined && (emptyDir.medium ?? "") === "";
}

/** A volume that has a capacity of its own, which its CSI driver reports. */
export function hasCapacity({ persistentVolumeClaim, ephemeral, csi }: Volume): boolean {
  return persistentVolumeClaim !== undefined || ephemeral !== undefined || csi !== undefined;
}

/**
 * Why the pod is to be evicted for a volume that holds more than its capacity: its driver measures
 * it and does not bound it. A file system never reports that. A pod that mounts it read-only stays.
 * Upstream has no such rule.
 */
export function capacityExcess(name: string, usage: VolumeUsage | undefined): string | undefined {
  const { used_bytes = 0, capacity_bytes = Infinity, readOnly = false } = usage ?? {};
  if (readOnly || used_bytes <= capacity_bytes) return undefined;
  return `Usage of volume "${name}" exceeds its capacity of ${capacity_bytes} bytes. `;
}

/** Whether the pod limits its writes to disk. */
export function limitsStorage(pod: Pod): boolean {
  const sized = (pod.spec.volumes ?? []).some(
    (volume) => isOnDisk(volume) && volume.emptyDir?.sizeLimit !== undefined,
  );
  return sized || podLimit(pod) !== undefined;
}

/**
 * Returns upstream's message for the limit that the pod exceeds, or undefined: first that of an
 * emptyDir, then the pod's, then a container's, as upstream.
 */
export function storageExcess(pod: Pod, storage: LocalStorage): string | undefined {
  return emptyDirExcess(pod, storage) ?? podExcess(pod, storage) ?? containerExcess(pod, storage);
}

/** Returns the pod's request of ephemeral storage in bytes. */
export function storageRequest_bytes(pod: Pod): number {
  return valueOf(podRequirements(pod).requests["ephemeral-storage"] ?? "0");
}

/** A limit of 0 is no limit, as in upstream. */
function isExceeded(limit: string, { used_bytes } = NOTHING): boolean {
  return valueOf(limit) > 0 && used_bytes > valueOf(limit);
}

function emptyDirExcess(pod: Pod, { volumes }: LocalStorage): string | undefined {
  for (const { name, emptyDir } of pod.spec.volumes ?? []) {
    const limit = emptyDir?.sizeLimit;
    if (limit === undefined || !isExceeded(limit, volumes.get(name))) continue;
    const quantity = canonicalQuantity(limit);
    return `Usage of EmptyDir volume "${name}" exceeds the limit "${quantity}". `;
  }
  return undefined;
}

function podExcess(pod: Pod, storage: LocalStorage): string | undefined {
  const limit = podLimit(pod);
  if (limit === undefined || !isExceeded(limit, totalOf(storage))) return undefined;
  return `Pod ephemeral local storage usage exceeds the total limit of containers ${limit}. `;
}

function containerExcess(pod: Pod, { containers }: LocalStorage): string | undefined {
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    const { name } = container;
    const limit = container.resources?.limits?.["ephemeral-storage"];
    if (limit === undefined || !isExceeded(limit, containers.get(name))) continue;
    const quantity = canonicalQuantity(limit);
    return `Container ${name} exceeded its local ephemeral storage limit "${quantity}". `;
  }
  return undefined;
}

/** The limit of the pod's containers together, if they have one. */
function podLimit(pod: Pod): string | undefined {
  const limit = podRequirements(pod).limits["ephemeral-storage"];
  return limit && canonicalQuantity(limit);
}
