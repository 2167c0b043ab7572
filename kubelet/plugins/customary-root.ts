/**
 * The root directory of a kubelet that manifests of drivers and device plugins name. A kubelet with
 * another root shows its own in this place: to pods whose hostPath is there, and in the paths that
 * it exchanges with a driver whose endpoint is there.
 */
export const CUSTOMARY_ROOT = "/var/lib/kubelet";

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
