import { createNetns } from "@raft2kube/linux/namespace/netns.ts";
import type { RunPodSandboxRequest } from "@raft2kube/proto/gen/cri.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { refuseHostPid } from "../container/namespaces.ts";
import { RuntimeError } from "../errors.ts";
import { sandboxIds } from "../oci/pod-ids.ts";
import type {
  Base,
  DiskUse,
  Ends,
  Events,
  Machine,
  Network,
  ProcessPorts,
  Programs,
  Records,
} from "../ports.ts";
import { newId } from "../record-table.ts";
import { makeSandboxFiles, usesHost } from "./files.ts";
import { makeNamespaces, startPause } from "./pause.ts";
import { hasNamespaces, pinOf } from "./pinned-namespaces.ts";
import type { SandboxRecord } from "./record.ts";
import { removeSandbox, stopSandbox } from "./stop.ts";
import { makeTimeNamespace } from "./time-namespace.ts";

/** A call of RunPodSandbox; with `isPinned` the namespaces are pinned without a first process. */
type SandboxRequest = RunPodSandboxRequest & { isPinned?: boolean };
type RunPorts = ProcessPorts & Network & Events & Ends & DiskUse;

async function requireSupported(
  runtime: Machine & Programs,
  request: RunPodSandboxRequest,
): Promise<void> {
  const { config, runtimeHandler } = request;
  if (!config?.metadata?.name) {
    throw new RuntimeError("invalid-argument", "the sandbox has no metadata");
  }
  const oci = runtime.oci.choose(runtimeHandler);
  if (config.windows) throw new RuntimeError("unimplemented", "Windows sandboxes");
  if (usesHost(config, "pid")) refuseHostPid(runtime);
  if (sandboxIds(config) === undefined) return;
  for (const kind of ["network", "pid", "ipc"] as const) {
    if (!usesHost(config, kind)) continue;
    const message = `a pod with a user namespace cannot have the node's ${kind} namespace`;
    throw new RuntimeError("invalid-argument", message);
  }
  if (await oci.userNamespaces()) return;
  const what = "pods with a user namespace are not supported";
  throw new RuntimeError("unimplemented", `${what} by ${oci.program.kind} on this machine`, {
    remedy:
      "run the node as root, with crun 1.8 or newer, on Linux 6.3 or newer, its data on a " +
      "file system that maps ids (ext4, XFS, Btrfs, tmpfs)",
  });
}

/** The name under which a kubelet would ask for the same attempt again. */
function findSame(runtime: Records, request: RunPodSandboxRequest): SandboxRecord | undefined {
  const wanted = request.config?.metadata;
  return runtime.sandboxes
    .values()
    .find(
      ({ config: { metadata } }) =>
        metadata?.name === wanted?.name &&
        metadata?.namespace === wanted?.namespace &&
        metadata?.uid === wanted?.uid &&
        metadata?.attempt === wanted?.attempt,
    );
}

/** Makes the sandbox's namespaces and processes; resolves with the record of it running. */
async function bringUp(
  runtime: Base & Machine & Programs & Network,
  record: SandboxRecord,
): Promise<SandboxRecord> {
  const paths = runtime.paths.sandbox(record.id);
  await makeSandboxFiles(paths, record.config);
  await makeTimeNamespace(paths, record.config);
  if (sandboxIds(record.config) !== undefined) return await bringUpMapped(runtime, record);
  const isPinned = record.pins !== undefined;
  if (isPinned) makeNamespaces(paths, record);
  else if (record.netns !== undefined) createNetns(record.netns);
  // Both need the namespace, but not each other.
  const [pause, network] = await Promise.allSettled([
    isPinned ? {} : startPause(runtime, record).then((pause) => ({ pause })),
    record.netns === undefined ? { ips: [] } : runtime.network.attach(record, record.netns),
  ]);
  if (network.status === "rejected") throw networkFailure(record, network.reason);
  if (pause.status === "rejected") throw pause.reason;
  return { ...record, state: "ready", ...pause.value, ...network.value };
}

function networkFailure({ id }: SandboxRecord, cause: unknown): RuntimeError {
  const message = `failed to setup network for sandbox ${id}: ${messageOf(cause)}`;
  return new RuntimeError("unavailable", message, { cause });
}

/**
 * The same with a user namespace, which is the first process's, and owns the network namespace:
 * the pod's root administers its network, and sysfs can be mounted.
 */
async function bringUpMapped(
  runtime: Base & Machine & Programs & Network,
  record: SandboxRecord,
): Promise<SandboxRecord> {
  const pause = await startPause(runtime, record);
  const netns = record.netns!;
  pinOf(pause, "net", netns);
  try {
    return { ...record, state: "ready", pause, ...(await runtime.network.attach(record, netns)) };
  } catch (thrown) {
    throw networkFailure(record, thrown);
  }
}

/**
 * Serves RunPodSandbox; returns the sandbox's id. The name (name, namespace, uid, attempt) is
 * reserved while a call for it is under way: of two concurrent calls the second waits, and is
 * refused if the first succeeds.
 */
export async function runSandbox(runtime: RunPorts, request: SandboxRequest): Promise<string> {
  await requireSupported(runtime, request);
  // lab:10 begin runSandbox
  const { name, namespace, uid, attempt } = request.config!.metadata!;
  const key = JSON.stringify([name, namespace, uid, attempt]);
  return await runtime.turns.run(key, () => runNow(runtime, request));
  // lab:10 end
}

/** The record of a sandbox of which nothing exists yet. */
function newRecord(
  { clock, paths, cgroupParent }: Base & Machine,
  { config: wanted, runtimeHandler, isPinned = false }: SandboxRequest,
): SandboxRecord {
  const id = newId();
  const config = wanted!;
  return {
    id,
    config,
    runtimeHandler,
    createdAt_ms: clock.now(),
    state: "notready",
    ...(isPinned && { pins: paths.sandbox(id).namespaces }),
    ...(!usesHost(config, "network") && { netns: paths.sandbox(id).netns }),
    ips: [],
    cgroup: `${config.linux?.cgroupParent || cgroupParent}/${id}`,
  };
}

/**
 * Runs a sandbox whose name is reserved. Throws already-exists when the name is in use. The record
 * is on disk, `notready`, before anything is made, so that a crash leaves a sandbox that can be
 * stopped and removed; `bringUp` then has the ready one. A failure takes down what was made and is
 * rethrown. Calls about this sandbox wait meanwhile. At the end `started` is reported.
 */
async function runNow(runtime: RunPorts, request: SandboxRequest): Promise<string> {
  // lab:10 begin runNow
  const same = findSame(runtime, request);
  if (same) {
    throw new RuntimeError("already-exists", `the sandbox exists already: ${same.id}`);
  }
  const record = newRecord(runtime, request);
  await runtime.turns.run(record.id, async () => {
    await runtime.sandboxes.put(record);
    try {
      await runtime.sandboxes.put(await bringUp(runtime, record));
    } catch (error) {
      await takeDown(runtime, record, error);
      throw error;
    }
  });
  runtime.events.sandboxStarted(record.id);
  return record.id;
  // lab:10 end
}

/** Undoes a failed start. A failure here is logged and left to the caller's StopPodSandbox. */
async function takeDown(runtime: RunPorts, record: SandboxRecord, why: unknown): Promise<void> {
  try {
    await stopSandbox(runtime, record);
    await removeSandbox(runtime, record);
  } catch (error) {
    const fields = { sandbox: record.id, err: error, why: messageOf(why) };
    runtime.log.error("a sandbox that failed to start could not be taken down", fields);
  }
}

/** Brings up a sandbox again whose container is to be started again. One that runs stays. */
export async function resumeSandbox(runtime: RunPorts, id: string): Promise<void> {
  await runtime.turns.run(id, async () => {
    const record = runtime.sandboxes.get(id);
    if (record.state === "ready" && hasNamespaces(record)) return;
    await stopSandbox(runtime, record);
    const { pause: _, network: __, ...rest } = record;
    const stopped: SandboxRecord = { ...rest, ips: [], state: "notready" };
    await runtime.sandboxes.put(stopped);
    try {
      await runtime.sandboxes.put(await bringUp(runtime, stopped));
    } catch (error) {
      await stopSandbox(runtime, stopped);
      throw error;
    }
  });
}
