import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { type TreeUsage, treeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { CONTAINER_NAME_LABEL } from "../cri/observe.ts";
import type { Runtime } from "../cri/runtime.ts";
import { containersOf, uidOf } from "../pods/pod-identity.ts";
import { POD_UID_LABEL } from "../pods/pod-labels.ts";
import { containerDir, hostsFile, type PodPaths, podLogDir, volumeDir } from "../pods/pod-paths.ts";
import { EMPTY_DIR_PLUGIN } from "../volumes/empty-dir.ts";
import { fileUsage, inlineVolumes } from "./inline-volumes.ts";
import { isOnDisk, type LocalStorage, sumOf } from "./local-storage.ts";
import { unlinkedStorage } from "./unlinked-storage.ts";

/** Lists the processes of a pod. */
export type PodProcesses = { processes(pod: Pod): readonly number[] };

/** Measures the pod's files on the node's disk: everything that it can make grow. */
export async function measureStorage(
  pod: Pod,
  { runtime, paths, cgroups }: { runtime: Runtime; paths: PodPaths; cgroups: PodProcesses },
): Promise<LocalStorage> {
  const uid = uidOf(pod);
  const volumes = await inlineVolumes(pod, paths);
  for (const { name } of (pod.spec.volumes ?? []).filter(isOnDisk)) {
    volumes.set(name, await treeUsage(volumeDir(paths, uid, EMPTY_DIR_PLUGIN, name)));
  }
  const containers = new Map<string, TreeUsage>();
  const layers = await writableLayers(runtime, uid);
  for (const {
    container: { name },
  } of containersOf(pod)) {
    const logs = await logsUsage(paths, pod, name);
    const messages = await treeUsage(containerDir(paths, uid, name));
    const own = layers.filter((one) => one.container === name);
    containers.set(name, sumOf([logs, messages, ...own]));
  }
  const hosts = fileUsage(hostsFile(paths, uid));
  const unlinked = await unlinkedStorage(pod, paths, cgroups.processes(pod));
  return { volumes, containers, hosts, unlinked };
}

/** Returns the disk usage of a container's logs, rotated ones included. */
export function logsUsage(paths: PodPaths, pod: Pod, container: string): Promise<TreeUsage> {
  return treeUsage(join(podLogDir(paths, pod), container));
}

async function writableLayers({ runtime }: Runtime, uid: string) {
  const labelSelector = { [POD_UID_LABEL]: uid };
  const { stats } = await runtime.listContainerStats({ filter: { labelSelector } });
  return stats.map(({ attributes, writableLayer }) => ({
    container: attributes?.metadata?.name ?? attributes?.labels[CONTAINER_NAME_LABEL] ?? "",
    used_bytes: writableLayer?.usedBytes?.value ?? 0,
    inodes: writableLayer?.inodesUsed?.value ?? 0,
  }));
}
