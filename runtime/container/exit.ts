import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { WaitTimeoutError, waitFor } from "@raft2kube/std/wait.ts";
import { EXIT_FILE_TIMEOUT_MS } from "../limits.ts";
import { isAlive } from "../process-identity.ts";
import type { Runtime } from "../runtime.ts";
import { isMonitored } from "./monitor.ts";
import type { ContainerExit, ContainerRecord } from "./record.ts";

/** The exit code of a container that ended without anyone to see how. */
const UNKNOWN_CODE = 255;

/** What conmon wrote when the container's process ended; undefined while there is nothing. */
async function readExitFile(file: string): Promise<{ code: number; at_ms: number } | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, "utf8"), stat(file)]);
    return text.trim() === "" ? undefined : { code: Number(text), at_ms: Math.floor(mtimeMs) };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

/** Waits for conmon's word as long as there is a conmon to write it, and not for ever. */
async function awaitExitFile(runtime: Runtime, id: string) {
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
 * How a container ended, once its process has: conmon's word, and the kernel's for memory. Waits a
 * moment for conmon; a container whose conmon was killed too ended nobody knows how.
 */
async function findOutExit(runtime: Runtime, record: ContainerRecord): Promise<ContainerExit> {
  const found = await awaitExitFile(runtime, record.id);
  if (typeof found === "string") {
    return {
      exitCode: UNKNOWN_CODE,
      finishedAt_ms: runtime.clock.now(),
      reason: "Unknown",
      message: `nobody saw how it ended: its conmon was ${found}`,
    };
  }
  const outOfMemory = found.code !== 0 && (runtime.cgroups.oomKills(record.cgroup) ?? 0) > 0;
  const reason = outOfMemory ? "OOMKilled" : found.code === 0 ? "Completed" : "Error";
  return { exitCode: found.code, finishedAt_ms: found.at_ms, reason, message: "" };
}

/** Frees what the OCI runtime holds of a container: its state, its cgroup, whatever runs in it. */
export async function releaseContainer(runtime: Runtime, record: ContainerRecord): Promise<void> {
  runtime.cgroups.kill(record.cgroup);
  await runtime.oci.delete(record.id, { force: true });
  await runtime.cgroups.remove(record.cgroup, { clock: runtime.clock });
}

/** Whether the OCI runtime or a cgroup still holds something of a container. */
export function needsRelease(runtime: Runtime, record: ContainerRecord): boolean {
  const hasState = existsSync(path.join(runtime.paths.oci, record.id));
  return hasState || runtime.cgroups.exists(record.cgroup);
}

/**
 * Takes note that a running container has ended, when it has; true then. Its processes that are
 * left are killed. Waits for other changes of the container, so never call it from within one.
 */
export function recordExit(runtime: Runtime, id: string): Promise<boolean> {
  return runtime.serial.run(id, () => recordExitNow(runtime, id));
}

async function recordExitNow(runtime: Runtime, id: string): Promise<boolean> {
  const record = runtime.containers.find(id);
  if (record?.phase.state !== "running") return false;
  const { startedAt_ms, process } = record.phase;
  const ended = await readExitFile(runtime.paths.container(id).exitFile);
  if (!ended && isAlive(process)) return false;
  // What is left of it dies first: nothing of a container outlives its first process.
  runtime.cgroups.kill(record.cgroup);
  const exit = await findOutExit(runtime, record);
  await runtime.containers.put({ ...record, phase: { state: "exited", startedAt_ms, exit } });
  try {
    await releaseContainer(runtime, record);
  } catch (err) {
    // It has ended all the same; its removal tries again.
    runtime.log.warn("an ended container could not be released", { container: id, err });
  }
  runtime.events.containerEvent("stopped", id, record.sandboxId);
  return true;
}
