import { createNetns } from "@raft2kube/linux/namespace/netns.ts";
import type { RunPodSandboxRequest } from "@raft2kube/proto/gen/cri.ts";
import { NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { refuseHostPid } from "../container/namespaces.ts";
import { RuntimeError } from "../errors.ts";
import { isAlive } from "../process-identity.ts";
import { newId } from "../record-table.ts";
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
import { makeSandboxFiles, usesHost } from "./files.ts";
import { startPause } from "./pause.ts";
import type { SandboxRecord } from "./record.ts";
import { removeSandbox, stopSandbox } from "./stop.ts";

type RunPorts = ProcessPorts & Network & Events & Ends & DiskUse;

function requireSupported(runtime: Machine & Programs, request: RunPodSandboxRequest): void {
  const { config, runtimeHandler } = request;
  if (!config?.metadata?.name) {
    throw new RuntimeError("invalid-argument", "the sandbox has no metadata");
  }
  runtime.oci.choose(runtimeHandler);
  if (config.windows) throw new RuntimeError("unimplemented", "Windows sandboxes");
  if (usesHost(config, "pid")) refuseHostPid(runtime);
  const users = config.linux?.securityContext?.namespaceOptions?.usernsOptions;
  if (users && users.mode !== NamespaceMode.NODE) {
    throw new RuntimeError("unimplemented", "pods with a user namespace are not supported");
  }
}

/** The name under which a kubelet would ask for the same attempt again. */
function findSame(runtime: Records, request: RunPodSandboxRequest): SandboxRecord | undefined {
  const wanted = request.config?.metadata;
  return runtime.sandboxes.values().find(({ config: { metadata } }) =>
    metadata?.name === wanted?.name && metadata?.namespace === wanted?.namespace &&
    metadata?.uid === wanted?.uid && metadata?.attempt === wanted?.attempt);
}

/** Makes the sandbox's namespaces and processes; resolves with the record of it running. */
async function bringUp(
  runtime: Base & Machine & Programs & Network,
  record: SandboxRecord,
): Promise<SandboxRecord> {
  const paths = runtime.paths.sandbox(record.id);
  await makeSandboxFiles(paths, record.config);
  if (record.netns !== undefined) createNetns(record.netns);
  // Both need the namespace, but not each other.
  const [pause, network] = await Promise.allSettled([
    startPause(runtime, record),
    record.netns === undefined ? { ips: [] } : runtime.network.attach(record, record.netns),
  ]);
  if (network.status === "rejected") {
    const why = messageOf(network.reason);
    const message = `failed to setup network for sandbox ${record.id}: ${why}`;
    throw new RuntimeError("unavailable", message, { cause: network.reason });
  }
  if (pause.status === "rejected") throw pause.reason;
  return { ...record, state: "ready", pause: pause.value, ...network.value };
}

/**
 * Serves RunPodSandbox; returns the sandbox's id. The name (name, namespace, uid, attempt) is
 * reserved while a call for it is under way: of two concurrent calls the second waits, and is
 * refused if the first succeeds.
 */
export async function runSandbox(
  runtime: RunPorts,
  request: RunPodSandboxRequest,
): Promise<string> {
  requireSupported(runtime, request);
  // lab:10 begin runSandbox
  const { name, namespace, uid, attempt } = request.config!.metadata!;
  const key = JSON.stringify([name, namespace, uid, attempt]);
  return await runtime.turns.run(key, () => runNow(runtime, request));
  // lab:10 end
}

/** The record of a sandbox of which nothing exists yet. */
function newRecord(
  { clock, paths, cgroupParent }: Base & Machine,
  { config: wanted, runtimeHandler }: RunPodSandboxRequest,
): SandboxRecord {
  const id = newId();
  const config = wanted!;
  return {
    id,
    config,
    runtimeHandler,
    createdAt_ms: clock.now(),
    state: "notready",
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
async function runNow(runtime: RunPorts, request: RunPodSandboxRequest): Promise<string> {
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
    if (record.state === "ready" && record.pause && isAlive(record.pause)) return;
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
