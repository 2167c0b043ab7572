import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { WaitTimeoutError, waitFor } from "@raft2kube/std/wait.ts";
import { EXIT_FILE_TIMEOUT_MS } from "../limits.ts";
import { type Base, type Events, type Machine, ociOf, type ProcessPorts } from "../ports.ts";
import { isAlive } from "../process-identity.ts";
import { isMonitored } from "./monitor.ts";
import type { ContainerExit, ContainerRecord } from "./record.ts";

export type ExitPorts = ProcessPorts & Events;

/** Exit code of a container whose end was not observed. */
export const UNKNOWN_CODE = 255;

/** Reads the exit file of conmon; undefined while there is none. */
export async function readExitFile(
  file: string,
): Promise<{ code: number; at_ms: number } | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, "utf8"), stat(file)]);
    return text.trim() === "" ? undefined : { code: Number(text), at_ms: Math.floor(mtimeMs) };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Waits for the exit file while the conmon runs, at most a while. */
async function awaitExitFile(runtime: Base, id: string) {
  const paths = runtime.paths.container(id);
  const options = { clock: runtime.clock, timeout_ms: EXIT_FILE_TIMEOUT_MS, interval_ms: 5 };
  const written = async () => {
    const monitored = await isMonitored(paths, id);
    return (await readExitFile(paths.exitFile)) ?? (monitored ? undefined : ("gone" as const));
  };
  try {
    return await waitFor("the exit file", written, options);
  } catch (error) {
    if (error instanceof WaitTimeoutError) return "silent" as const;
    throw error;
  }
}

/**
 * Returns the exit code of a container whose process has ended, from conmon's exit file, and its
 * reason: `OOMKilled` if the kernel's OOM killer ended a process of its cgroup. Waits briefly for
 * conmon; without it the exit is unknown.
 */
async function exitWithReason(
  runtime: Base & Machine,
  record: ContainerRecord,
): Promise<ContainerExit> {
  const found = await awaitExitFile(runtime, record.id);
  if (typeof found === "string") {
    return {
      exitCode: UNKNOWN_CODE,
      finishedAt_ms: runtime.clock.now(),
      reason: "Unknown",
      message: `its exit was not observed: its conmon was ${found}`,
    };
  }
  const outOfMemory = found.code !== 0 && (runtime.cgroups.oomKills(record.cgroup) ?? 0) > 0;
  const reason = outOfMemory ? "OOMKilled" : found.code === 0 ? "Completed" : "Error";
  return { exitCode: found.code, finishedAt_ms: found.at_ms, reason, message: "" };
}

/** Releases a container's state and cgroup in the OCI runtime, and kills what still runs in it. */
export async function releaseContainer(
  runtime: ProcessPorts,
  record: ContainerRecord,
): Promise<void> {
  runtime.cgroups.kill(record.cgroup);
  await ociOf(runtime, record, { isOver: true }).delete(record.id, { force: true });
  await runtime.cgroups.remove(record.cgroup, { clock: runtime.clock });
}

/** Records an end that was not observed, and releases what may be left of the container. */
export async function recordEnd(
  runtime: ProcessPorts,
  record: ContainerRecord,
  end: Omit<ContainerExit, "finishedAt_ms">,
): Promise<void> {
  await releaseContainer(runtime, record);
  const exit = { ...end, finishedAt_ms: runtime.clock.now() };
  const phase = { state: "exited", startedAt_ms: 0, exit } as const;
  await runtime.containers.observe({ ...record, phase });
}

/** Whether the OCI runtime or a cgroup still holds something of a container. */
export function needsRelease(runtime: Base & Machine, record: ContainerRecord): boolean {
  const hasState = existsSync(path.join(runtime.paths.oci, record.id));
  return hasState || runtime.cgroups.exists(record.cgroup);
}

/**
 * Records that a running container has ended. Returns whether it has. Its remaining processes are
 * killed. One without its conmon counts as ended, as containerd's without its shim: it has no log,
 * no streams, and its exit would not be seen. Waits for other changes of the container: never call
 * it from within one.
 */
export function recordExit(runtime: ExitPorts, id: string): Promise<boolean> {
  return runtime.turns.run(id, () => recordExitNow(runtime, id));
}

async function recordExitNow(runtime: ExitPorts, id: string): Promise<boolean> {
  const record = runtime.containers.find(id);
  if (record?.phase.state !== "running") return false;
  const { startedAt_ms, process } = record.phase;
  const paths = runtime.paths.container(id);
  const ended = await readExitFile(paths.exitFile);
  if (!ended && isAlive(process) && (await isMonitored(paths, id))) return false;
  // Kill the remaining processes first: nothing of a container outlives its first process.
  runtime.cgroups.kill(record.cgroup);
  const exit = await exitWithReason(runtime, record);
  await runtime.containers.observe({ ...record, phase: { state: "exited", startedAt_ms, exit } });
  try {
    await releaseContainer(runtime, record);
  } catch (err) {
    // The container has ended regardless; its removal retries.
    runtime.log.warn("an ended container could not be released", { container: id, err });
  }
  runtime.events.containerEvent("stopped", id, record.sandboxId);
  return true;
}
