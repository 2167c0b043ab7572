import { open, readFile, readlink } from "node:fs/promises";
import { messageOf } from "@raft2kube/std/errors.ts";
import { limitDevices } from "../by-hand/cgroup.ts";
import { createUnderConmon } from "../conmon.ts";
import { RuntimeError } from "../errors.ts";
import { hostUser } from "../oci/pod-ids.ts";
import type { OciSpec } from "../oci/spec.ts";
import { type Base, type Ends, type Events, ociOf, type ProcessPorts } from "../ports.ts";
import { identify, type ProcessIdentity } from "../process-identity.ts";
import { recordEnd } from "./exit.ts";
import type { ContainerRecord } from "./record.ts";

/** Exit code of a container that could not be started, as other runtimes report it. */
const START_ERROR_CODE = 128;

export interface StartOptions {
  /** A program that conmon calls when the container has ended, with its arguments. */
  exitCommand?: readonly string[];
  /** Called when the process is there, and waits: who attaches now misses none of its output. */
  created?: () => Promise<void>;
}

async function launch(
  runtime: ProcessPorts,
  record: ContainerRecord,
  { exitCommand, created }: StartOptions,
): Promise<{ process: ProcessIdentity; startedAt_ms: number }> {
  const { id, config } = record;
  const request = {
    id,
    paths: runtime.paths.container(id),
    exitsDirectory: runtime.paths.exits,
    logPath: record.logPath,
    terminal: config.tty,
    stdin: config.stdin,
    leaveStdinOpen: config.stdin && !config.stdinOnce,
    ...(exitCommand && { exitCommand }),
  };
  const oci = ociOf(runtime, record);
  const pid = await createUnderConmon(runtime.conmonPath, oci, request, runtime);
  // It waits for `start`, so the pid is still its own.
  const process = identify(pid);
  if (!process) throw new RuntimeError("internal", "the process ended before it was started");
  if (runtime.cgroups.version !== "none") {
    await limitDevicesAgain(runtime, record);
    runtime.cgroups.setLimits(record.cgroup, { tcp_bytes: -1 }); // the pod's group has the bound
  }
  await giveStreams(runtime, record, pid);
  await created?.();
  // Before it runs: it may end before the call returns, and never ends before it started.
  const startedAt_ms = runtime.clock.now();
  await oci.start(id);
  return { process, startedAt_ms };
}

/**
 * Makes the pipes of a container's process, which are conmon's, its user's in a user namespace,
 * where the OCI runtime may not: else the process could not open /dev/stdout.
 */
async function giveStreams(
  { sandboxes }: ProcessPorts,
  { sandboxId, user }: ContainerRecord,
  pid: number,
): Promise<void> {
  const owner = hostUser(sandboxes.find(sandboxId)?.config, user);
  if (owner === undefined) return;
  for (const fd of [0, 1, 2]) {
    const stream = `/proc/${pid}/fd/${fd}`;
    if (!(await readlink(stream)).startsWith("pipe:")) continue;
    const pipe = await open(stream, "r+");
    try {
      await pipe.chown(owner.uid, owner.gid);
    } finally {
      await pipe.close();
    }
  }
}

/**
 * Sets the container's devices as its specification has them: crun adds some that it allows to
 * every container, among them the machine's console, at which others type.
 */
async function limitDevicesAgain(runtime: Base, { id, cgroup }: ContainerRecord): Promise<void> {
  const { config } = runtime.paths.container(id);
  const { linux } = JSON.parse(await readFile(config, "utf8")) as OciSpec;
  limitDevices(cgroup, linux.resources?.devices ?? []);
}

/**
 * Serves StartContainer, for a created container alone: others are failed-precondition. `starting`
 * is on disk before the process is made. A container whose process cannot be started counts as
 * exited, with the reason StartError, and the call fails with the OCI runtime's words. Reports
 * `started`, and has the exit looked for: a short program may have ended before it was recorded.
 */
export async function startContainer(
  runtime: ProcessPorts & Events & Ends,
  id: string,
  options: StartOptions = {},
): Promise<void> {
  // lab:10 begin startContainer
  await runtime.turns.run(id, async () => {
    const record = runtime.containers.get(id);
    if (record.phase.state !== "created") {
      const message = `container ${id} is ${record.phase.state}, not created`;
      throw new RuntimeError("failed-precondition", message);
    }
    const starting: ContainerRecord = { ...record, phase: { state: "starting" } };
    await runtime.containers.put(starting);
    try {
      const phase = { state: "running", ...(await launch(runtime, record, options)) } as const;
      await runtime.containers.put({ ...record, phase });
    } catch (error) {
      await fail(runtime, record, messageOf(error));
      throw error;
    }
  });
  runtime.events.containerEvent("started", id, runtime.containers.get(id).sandboxId);
  runtime.exits.check(id);
  // lab:10 end
}

/** Records that a container could not be started, and releases what was made for it. */
function fail(runtime: ProcessPorts, record: ContainerRecord, message: string): Promise<void> {
  const exit = { exitCode: START_ERROR_CODE, reason: "StartError", message };
  return recordEnd(runtime, record, exit);
}
