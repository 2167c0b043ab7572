import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf, namespaceOf, uidOf } from "./pod-identity.ts";

/** Directories of the kubelet's files of pods, in upstream's layout. */
export interface PodPaths {
  rootDir: string;
  /** `/var/log/pods` upstream. */
  podLogsDir: string;
  /** `/var/log/containers` upstream: links for log collectors; undefined makes none. */
  containerLogsDir: string | undefined;
}

export const podsDir = (paths: PodPaths): string => join(paths.rootDir, "pods");

export const podDir = (paths: PodPaths, podUid: string): string => join(podsDir(paths), podUid);

export function volumesDir(paths: PodPaths, podUid: string): string {
  return join(podDir(paths, podUid), "volumes");
}

export const volumeDir = (
  paths: PodPaths,
  podUid: string,
  pluginName: string,
  volumeName: string,
): string => join(volumesDir(paths, podUid), pluginName, volumeName);

/** Returns the directory of bind mounts of subPaths, one per container and mount. */
export function subpathsDir(paths: PodPaths, podUid: string): string {
  return join(podDir(paths, podUid), "volume-subpaths");
}

export function hostsFile(paths: PodPaths, podUid: string): string {
  return join(podDir(paths, podUid), "etc-hosts");
}

/** Termination message files of one container, one per attempt. */
export function containerDir(paths: PodPaths, podUid: string, container: string): string {
  return join(podDir(paths, podUid), "containers", container);
}

export function podLogDir(paths: PodPaths, pod: Pod): string {
  return join(paths.podLogsDir, `${namespaceOf(pod)}_${nameOf(pod)}_${uidOf(pod)}`);
}

/** Relative to the pod's log directory. */
export function containerLogPath(container: string, attempt: number): string {
  return `${container}/${attempt}.log`;
}
