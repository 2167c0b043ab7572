import { dirname } from "node:path";
import { withoutEnd } from "@raft2kube/std/text.ts";

/**
 * The root directory of a kubelet that manifests of drivers and device plugins name. A kubelet with
 * another root shows its own in this place: to pods whose hostPath is there, and in the paths that
 * it exchanges with a driver whose endpoint is there.
 */
export const CUSTOMARY_ROOT = "/var/lib/kubelet";

/** The folders of a kubelet that pods name by the places that they have upstream. */
export interface OwnFolders {
  readonly rootDir: string;
  readonly podLogsDir: string;
  readonly containerLogsDir?: string;
}

/**
 * Returns the node's own path for one that a hostPath names: the customary root, the logs of pods
 * and their links, and `/var/log` itself, in which collectors of logs expect both.
 */
export function ownPath(path: string, folders: OwnFolders): string {
  const { rootDir, podLogsDir, containerLogsDir } = folders;
  const logs = dirname(podLogsDir);
  const hasBoth = podLogsDir === `${logs}/pods` && containerLogsDir === `${logs}/containers`;
  if (hasBoth && withoutEnd(path, "/") === "/var/log") return logs;
  const places = [
    [CUSTOMARY_ROOT, rootDir],
    ["/var/log/pods", podLogsDir],
    ["/var/log/containers", containerLogsDir],
  ] as const;
  return places.map(([from, own]) => own && moved(path, from, own)).find(Boolean) ?? path;
}

/** Returns the path in `rootDir` for one in the customary root; another path as it is. */
export function fromCustomary(path: string, rootDir: string): string {
  return moved(path, CUSTOMARY_ROOT, rootDir) ?? path;
}

/** Returns the path in the customary root for one in `rootDir`; another path as it is. */
export function toCustomary(path: string, rootDir: string): string {
  return moved(path, rootDir, CUSTOMARY_ROOT) ?? path;
}

function moved(path: string, from: string, to: string): string | undefined {
  return path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : undefined;
}
