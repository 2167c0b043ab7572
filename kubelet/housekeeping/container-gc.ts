import { access, rm } from "node:fs/promises";
import { join } from "node:path";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { observePod } from "../cri/observe.ts";
import type { ObservedContainer, ObservedPod, ObservedSandbox } from "../cri/observed.ts";
import { ignoreGone, type Runtime } from "../cri/runtime.ts";
import { DEAD_PER_CONTAINER_MAX } from "../limits.ts";
import { logFiles, openLogDirectory } from "../logs/log-directory.ts";
import { fullNameOf, nameOf, namespaceOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";

const log = logger("kubelet-container-gc");

/** Containers and sandboxes of a pod that can be removed. */
export interface Garbage {
  containers: ObservedContainer[];
  sandboxes: ObservedSandbox[];
}

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

/**
 * Removes what ended pods have on the disk, as upstream under pressure: evicting others would not
 * free it. One that cannot be removed is logged and does not delay others.
 */
export async function removeEndedPods(workers: Pick<PodWorkers, "list">): Promise<void> {
  for (const worker of workers.list()) {
    try {
      await worker.removeRemains();
    } catch (thrown) {
      const fields = { pod: fullNameOf(worker.pod), error: messageOf(thrown) };
      log.warn("an ended pod's files could not be removed", fields);
    }
  }
}

/** Removes the garbage of every pod, with the logs of the removed containers. */
export async function collectContainers(
  runtime: Runtime,
  workers: PodWorkers,
  { podLogsDir, containerLogsDir }: PodPaths,
): Promise<void> {
  for (const { uid, pod } of workers.list()) {
    const identity = { uid, name: nameOf(pod), namespace: namespaceOf(pod) };
    const { containers, sandboxes } = garbageOf(await observePod(runtime, identity));
    for (const { id, logPath } of containers) {
      await ignoreGone(runtime.runtime.removeContainer({ containerId: id }));
      removeLog(podLogsDir, logPath);
    }
    for (const { id } of sandboxes) {
      await ignoreGone(runtime.runtime.removePodSandbox({ podSandboxId: id }));
    }
  }
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
