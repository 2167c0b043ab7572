import { rename, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import { LOG_FILE_BYTES_MAX, LOG_FILES_MAX } from "../limits.ts";
import { containerLogPath, podLogDir, type PodPaths } from "../pods/pod-paths.ts";
import { logFiles } from "../server/logs/log-files.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";

export interface RotateOptions {
  runtime: Runtime;
  workers: PodWorkers;
  paths: PodPaths;
  now_ms: number;
  fileBytes_max?: number;
  files_max?: number;
}

/** Sets aside the logs of running containers that have grown too large, and drops the oldest. */
export async function rotateLogs(options: RotateOptions): Promise<void> {
  const { workers, paths } = options;
  for (const { pod, status } of workers.list()) {
    const statuses = [
      ...(status?.containerStatuses ?? []),
      ...(status?.initContainerStatuses ?? []),
    ];
    for (const { name, state, restartCount, containerID } of statuses) {
      const id = containerID?.split("://")[1];
      if (!state?.running || !id) continue;
      const path = join(podLogDir(paths, pod), containerLogPath(name, restartCount));
      await rotateOne(path, id, options);
    }
  }
}

async function rotateOne(path: string, containerId: string, options: RotateOptions): Promise<void> {
  const { runtime, now_ms, fileBytes_max = LOG_FILE_BYTES_MAX } = options;
  if ((await sizeOf(path)) < fileBytes_max) return;
  const stamp = new Date(now_ms).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
  const aside = `${path}.${stamp.replace("T", "-")}`;
  await rename(path, aside);
  try {
    await runtime.runtime.reopenContainerLog({ containerId });
  } catch (thrown) {
    // The runtime goes on writing to the renamed file: give it its name back.
    await rename(aside, path);
    throw thrown;
  }
  const files = await logFiles(path);
  const keep = options.files_max ?? LOG_FILES_MAX;
  for (const file of files.slice(0, Math.max(0, files.length - keep))) await unlink(file);
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return 0;
    throw thrown;
  }
}
