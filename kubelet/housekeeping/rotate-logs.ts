import { join } from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import {
  LOG_FILE_BYTES_MAX,
  LOG_FILES_MAX,
  LOG_ROTATE_MS_MIN,
  LOG_ROTATE_PERIOD_MS,
} from "../limits.ts";
import { type LogDirectory, logFiles, openLogDirectory } from "../logs/log-directory.ts";
import { containerLogPath, type PodPaths, podLogDir } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";

const log = logger("kubelet-log-rotation");

export interface RotateOptions {
  runtime: Runtime;
  workers: Pick<PodWorkers, "list">;
  paths: PodPaths;
  clock: Clock;
  fileBytes_max?: number;
  files_max?: number;
}

/** Size of a log at its last check. */
type Sample = { size_bytes: number; at_ms: number };

/**
 * Rotates the logs of running containers that are too large, and removes the oldest. A log that
 * grows fast is checked again when it will be full, so that a container exceeds the bound by
 * little.
 */
export class LogRotation {
  readonly #options: RotateOptions;
  #samples = new Map<string, Sample>();

  constructor(options: RotateOptions) {
    this.#options = options;
  }

  /** Checks all logs. Returns the milliseconds until the next check. */
  async run(): Promise<number> {
    const before = this.#samples;
    this.#samples = new Map();
    let next_ms = LOG_ROTATE_PERIOD_MS;
    for (const { path, id } of this.#running()) {
      try {
        next_ms = Math.min(next_ms, await this.#check(path, id, before.get(path)));
      } catch (thrown) {
        // A log that cannot be rotated (its container is ending) does not delay the others.
        log.warn("a log was not rotated", { path, error: messageOf(thrown) });
      }
    }
    return Math.max(LOG_ROTATE_MS_MIN, next_ms);
  }

  /** The log and the id of every running container. */
  *#running(): Generator<{ path: string; id: string }> {
    const { workers, paths } = this.#options;
    for (const { pod, status } of workers.list()) {
      const statuses = [
        ...(status?.containerStatuses ?? []),
        ...(status?.initContainerStatuses ?? []),
        ...(status?.ephemeralContainerStatuses ?? []),
      ];
      for (const { name, state, restartCount, containerID } of statuses) {
        const id = containerID?.split("://")[1];
        if (!state?.running || !id) continue;
        yield { path: join(podLogDir(paths, pod), containerLogPath(name, restartCount)), id };
      }
    }
  }

  /** Rotates one log if it is full. Returns the milliseconds until it will be full at its rate. */
  async #check(path: string, id: string, before: Sample | undefined): Promise<number> {
    const { clock, paths, runtime, fileBytes_max = LOG_FILE_BYTES_MAX } = this.#options;
    using opened = openLogDirectory(paths.podLogsDir, path);
    if (!opened) return Infinity;
    const at_ms = clock.monotonic();
    let size_bytes = sizeOf(opened);
    if (size_bytes === undefined) {
      // A kubelet ended between the two steps of a rotation: the log is still written to, aside. Or
      // the container has just ended, which is no failure.
      const reopened = runtime.runtime.reopenContainerLog({ containerId: id });
      await reopened.catch((thrown: unknown) => log.debug("no log", { error: messageOf(thrown) }));
      return Infinity;
    }
    const elapsed_ms = before ? at_ms - before.at_ms : LOG_ROTATE_PERIOD_MS;
    const grown_bytes = Math.max(0, size_bytes - (before?.size_bytes ?? 0));
    if (size_bytes >= fileBytes_max) {
      await this.#rotate(opened, id);
      size_bytes = 0;
    }
    this.#samples.set(path, { size_bytes, at_ms });
    if (grown_bytes === 0) return Infinity;
    return ((fileBytes_max - size_bytes) * elapsed_ms) / grown_bytes;
  }

  async #rotate({ directory, name, ...opened }: LogDirectory, containerId: string): Promise<void> {
    const { runtime, clock, files_max = LOG_FILES_MAX } = this.#options;
    const stamp = new Date(clock.now()).toISOString().replaceAll(/[-:Z]/g, "").replace("T", "-");
    const aside = `${name}.${stamp}`;
    directory.rename(name, directory, aside);
    try {
      await runtime.runtime.reopenContainerLog({ containerId });
    } catch (thrown) {
      // The runtime still writes to the renamed file: restore its name.
      directory.rename(aside, directory, name);
      throw thrown;
    }
    const files = logFiles({ directory, name, ...opened });
    for (const file of files.slice(0, Math.max(0, files.length - files_max))) {
      directory.remove(file);
    }
  }
}

function sizeOf({ directory, name }: LogDirectory): number | undefined {
  using found = directory.find(name);
  return found?.stats().size;
}
