import type { MountInfo } from "@raft2kube/linux/mount/mountinfo.ts";

/** The `server:/share/volume` of a mount that shows a directory below one named `exports`. */
export function exportedBy({ root }: MountInfo): string | undefined {
  const [, server, directory] = /\/exports\/([^/]+)(\/.*)$/.exec(root) ?? [];
  return server === undefined ? undefined : `${server}:${directory}`;
}
