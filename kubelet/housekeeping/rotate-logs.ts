import { join } from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { TimedTurns } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import type { Runtime } from "../cri/runtime.ts";
import {
  LOG_FILE_BYTES_MAX,
  LOG_FILES_MAX,
  LOG_ROTATE_MS_MIN,
  LOG_ROTATE_PERIOD_MS,
  LOG_ROTATE_TURN_MS,
  LOGS_ROTATED_AT_ONCE_MAX,
} from "../limits.ts";
import { type LogDirectory, logFiles, openLogDirectory } from "../logs/log-directory.ts";
import { namespaceOf } from "../pods/pod-identity.ts";
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

/** The log of a running container. */
type RunningLog = { path: string; id: string; namespace: string };

/** Size of a log at its last check. */
type Sample = { size_bytes: number; at_ms: number };

/**
 * Rotates the logs of running containers that are too large, and removes the oldest. A log that
 * grows fast is checked again when it will be full, so that a container exceeds the bound by
 * little. Its conmon reopens none while a client that has attached to the container reads nothing:
 * such a log is not waited for.
 */
export class LogRotation {
  readonly #options: RotateOptions;
  readonly #turns: TimedTurns;
  /** Paths of the logs whose check is under way. */
  readonly #checked = new Set<string>();
  #samples = new Map<string, Sample>();

  constructor(options: RotateOptions) {
    this.#options = options;
    const turns = { places: LOGS_ROTATED_AT_ONCE_MAX, turn_ms: LOG_ROTATE_TURN_MS };
    this.#turns = new TimedTurns(options.clock, turns);
  }

  /** Checks all logs. Returns the milliseconds until the next check. */
  async run(): Promise<number> {
    const before = this.#samples;
    this.#samples = new Map();
    let next_ms = LOG_ROTATE_PERIOD_MS;
    const checks = [...this.#running()]
      .filter(({ path }) => !this.#checked.has(path))
      .map(async (one) => {
        const due_ms = await this.#checkSafely(one, before.get(one.path));
        next_ms = Math.min(next_ms, due_ms);
      });
    const all: Promise<unknown> = Promise.all(checks);
    await resultWithin(this.#options.clock, all, LOG_ROTATE_PERIOD_MS);
    return Math.max(LOG_ROTATE_MS_MIN, next_ms);
  }

  /** Checks a log; one that cannot be rotated (its container is ending) is logged alone. */
  async #checkSafely(one: RunningLog, before: Sample | undefined): Promise<number> {
    const { path } = one;
    this.#checked.add(path);
    try {
      return await this.#check(one, before);
    } catch (thrown) {
      log.warn("a log was not rotated", { path, error: messageOf(thrown) });
      return Infinity;
    } finally {
      this.#checked.delete(path);
    }
  }

  /** The logs of all running containers. */
  *#running(): Generator<RunningLog> {
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
        const path = join(podLogDir(paths, pod), containerLogPath(name, restartCount));
        yield { path, id, namespace: namespaceOf(pod) };
      }
    }
  }

  /** Rotates one log if it is full. Returns the milliseconds until it will be full at its rate. */
  async #check(one: RunningLog, before: Sample | undefined): Promise<number> {
    const { path } = one;
    const { clock, paths, fileBytes_max = LOG_FILE_BYTES_MAX } = this.#options;
    using opened = openLogDirectory(paths.podLogsDir, path);
    if (!opened) return Infinity;
    const at_ms = clock.monotonic();
    let size_bytes = sizeOf(opened);
    if (size_bytes === undefined) {
      // A kubelet ended between the two steps of a rotation: the log is still written to, aside. Or
      // the container has just ended, which is no failure.
      const reopened = this.#reopen(one);
      await reopened.catch((thrown: unknown) => log.debug("no log", { error: messageOf(thrown) }));
      return Infinity;
    }
    const elapsed_ms = before ? at_ms - before.at_ms : LOG_ROTATE_PERIOD_MS;
    const grown_bytes = Math.max(0, size_bytes - (before?.size_bytes ?? 0));
    if (size_bytes >= fileBytes_max) {
      await this.#rotate(opened, one);
      size_bytes = 0;
    }
    this.#samples.set(path, { size_bytes, at_ms });
    if (grown_bytes === 0) return Infinity;
    return ((fileBytes_max - size_bytes) * elapsed_ms) / grown_bytes;
  }

  /** Reopens the container's log, in the turn of its namespace. */
  async #reopen({ id: containerId, namespace }: RunningLog): Promise<void> {
    const { runtime } = this.#options.runtime;
    await this.#turns.run(namespace, () => runtime.reopenContainerLog({ containerId }));
  }

  async #rotate({ directory, name, ...opened }: LogDirectory, one: RunningLog): Promise<void> {
    const { clock, files_max = LOG_FILES_MAX } = this.#options;
    // The clock may have been set back since the last rotation.
    const last = logFiles({ directory, name, ...opened }).at(-2) ?? "";
    const at_ms = Math.max(clock.now(), timeOf(last) + 1);
    const stamp = new Date(at_ms).toISOString().replaceAll(/[-:Z]/g, "").replace("T", "-");
    const aside = `${name}.${stamp}`;
    directory.rename(name, directory, aside);
    try {
      await this.#reopen(one);
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

/** Returns the time in the name of a log that was set aside; 0 for another name. */
function timeOf(aside: string): number {
  const [, year, month, day, ...time] =
    /\.(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d\.\d{3})$/.exec(aside) ?? [];
  return Date.parse(`${year}-${month}-${day}T${time.join(":")}Z`) || 0;
}

function sizeOf({ directory, name }: LogDirectory): number | undefined {
  using found = directory.find(name);
  return found?.stats().size;
}
