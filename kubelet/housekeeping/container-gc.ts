import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { observePod } from "../cri/observe.ts";
import type { ObservedContainer, ObservedPod, ObservedSandbox } from "../cri/observed.ts";
import { ignoreGone, type Runtime } from "../cri/runtime.ts";
import { DEAD_PER_CONTAINER_MAX, REMOVALS_AT_ONCE_MAX } from "../limits.ts";
import { logFiles, openLogDirectory } from "../logs/log-directory.ts";
import { fullNameOf, nameOf, namespaceOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodWorker } from "../sync/worker.ts";

const log = logger("kubelet-container-gc");

/** Containers and sandboxes of a pod that can be removed. */
export type Garbage = { containers: ObservedContainer[]; sandboxes: ObservedSandbox[] };

/**
 * Returns the ended containers other than the newest of each name, and the dead sandboxes that are
 * neither the pod's newest nor hold a kept container. Pure.
 */
export function garbageOf(observed: ObservedPod): Garbage {
  const dead = new Map<string, number>();
  const containers = observed.containers.filter(({ name, state }) => {
    if (state === "running" || state === "unknown") return false;
    const count = (dead.get(name) ?? 0) + 1;
    dead.set(name, count);
    return count > DEAD_PER_CONTAINER_MAX;
  });
  const kept = observed.containers.filter((one) => !containers.includes(one));
  const sandboxes = observed.sandboxes
    .slice(1)
    .filter(({ ready, id }) => !ready && !kept.some(({ sandboxId }) => sandboxId === id));
  return { containers, sandboxes };
}

type Workers = Pick<PodWorkers, "list">;

/**
 * Removes what ended pods have on the disk, as upstream under pressure: evicting others would not
 * free it.
 */
export function removeEndedPods(workers: Workers): Promise<void> {
  return ofEachPod(workers, (worker) => worker.removeRemains());
}

/** Removes from several pods at a time. One that fails or takes long does not delay others. */
async function ofEachPod(
  workers: Workers,
  remove: (worker: PodWorker) => Promise<void>,
): Promise<void> {
  const left = workers.list().values();
  const removeNext = async () => {
    for (const worker of left) {
      try {
        await remove(worker);
      } catch (thrown) {
        const fields = { pod: fullNameOf(worker.pod), error: messageOf(thrown) };
        log.warn("a pod's dead containers or files could not be removed", fields);
      }
    }
  };
  await Promise.all(Array.from({ length: REMOVALS_AT_ONCE_MAX }, removeNext));
}

/** Removes the garbage of every pod, with the logs of the removed containers. */
export async function collectContainers(
  runtime: Runtime,
  workers: Workers,
  { podLogsDir, containerLogsDir }: Pick<PodPaths, "podLogsDir" | "containerLogsDir">,
): Promise<void> {
  await ofEachPod(workers, async ({ uid, pod }) => {
    const identity = { uid, name: nameOf(pod), namespace: namespaceOf(pod) };
    const { containers, sandboxes } = garbageOf(await observePod(runtime, identity));
    for (const { id, logPath } of containers) {
      await ignoreGone(runtime.runtime.removeContainer({ containerId: id }));
      removeLog(podLogsDir, logPath);
    }
    for (const { id } of sandboxes) {
      await ignoreGone(runtime.runtime.removePodSandbox({ podSandboxId: id }));
    }
  });
  if (containerLogsDir) await removeDeadLinks(containerLogsDir);
}

function removeLog(podLogsDir: string, logPath: string): void {
  using opened = openLogDirectory(podLogsDir, logPath);
  if (!opened) return;
  for (const name of logFiles(opened)) {
    tolerateSync(() => opened.directory.remove(name), errno("ENOENT"));
  }
}

async function removeDeadLinks(dir: string): Promise<void> {
  for (const name of await namesIn(dir)) {
    const link = join(dir, name);
    if (!(await exists(link))) await rm(link, { force: true });
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return false;
    throw thrown;
  }
}
