import { existsSync } from "node:fs";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { deleteNetns } from "@raft2kube/linux/namespace/netns.ts";
import { removeContainer } from "../container/remove.ts";
import { killContainer } from "../container/stop.ts";
import type { DiskUse, Ends, Events, Network, ProcessPorts, Records } from "../ports.ts";
import { signal } from "../process-identity.ts";
import { unmountSandboxFiles } from "./files.ts";
import type { SandboxRecord } from "./record.ts";

type StopPorts = ProcessPorts & Network & Events & Ends;

function containersOf(runtime: Records, id: string) {
  return runtime.containers.values().filter((container) => container.sandboxId === id);
}

/**
 * Stops a sandbox: its containers, network and namespaces, of which any may be missing. Each step
 * is idempotent; the first that fails ends the call, which can be repeated.
 */
export async function stopSandbox(
  runtime: ProcessPorts & Network & Ends,
  record: SandboxRecord,
): Promise<void> {
  // lab:10 begin stopSandbox
  const paths = runtime.paths.sandbox(record.id);
  await Promise.all(containersOf(runtime, record.id).map(({ id }) => killContainer(runtime, id)));
  // Before the namespace is removed: plugins clean up inside it.
  await runtime.network.detach(record);
  if (record.pause) signal(record.pause, "SIGKILL");
  await runtime.oci.ofSandbox(record.runtimeHandler).delete(record.id, { force: true });
  await runtime.cgroups.remove(record.cgroup, { clock: runtime.clock });
  if (record.netns !== undefined) deleteNetns(record.netns);
  await unmountSandboxFiles(paths, record.config.metadata?.namespace);
  // lab:10 end
}

/** StopPodSandbox: one that is unknown counts as stopped. */
export async function stopPodSandbox(runtime: StopPorts, id: string): Promise<void> {
  const isStopped = await runtime.turns.run(id, async () => {
    const record = runtime.sandboxes.find(id);
    if (!record) return false;
    await stopSandbox(runtime, record);
    if (record.state === "notready") return false;
    const { pause: _, ...rest } = record;
    await runtime.sandboxes.observe({ ...rest, state: "notready" });
    return true;
  });
  if (isStopped) runtime.events.sandboxStopped(id);
}

/** Stops sandboxes whose files were deleted: no further container could run in them. */
export async function stopBroken(runtime: StopPorts): Promise<void> {
  for (const { id, state } of runtime.sandboxes.values()) {
    if (state !== "ready" || existsSync(runtime.paths.sandbox(id).config)) continue;
    runtime.log.warn("a pod's files are gone from the runtime's folder, stopping it", { id });
    await stopPodSandbox(runtime, id);
  }
}

/** Forgets a stopped sandbox and its files. */
export async function removeSandbox(
  runtime: ProcessPorts & Events & Ends & DiskUse,
  record: SandboxRecord,
): Promise<void> {
  const paths = runtime.paths.sandbox(record.id);
  for (const { id } of containersOf(runtime, record.id)) await removeContainer(runtime, id);
  await removePath(paths.run);
  await runtime.sandboxes.remove(record.id);
  await removePath(paths.data);
}

/**
 * Serves RemovePodSandbox: stops it first, also when it was stopped before; one that is unknown is
 * no error. A sandbox whose stop fails is kept. Reports `deleted`.
 */
export async function removePodSandbox(
  runtime: ProcessPorts & Network & Events & Ends & DiskUse,
  id: string,
): Promise<void> {
  // lab:10 begin removePodSandbox
  if (!runtime.sandboxes.find(id)) return;
  await stopPodSandbox(runtime, id);
  await runtime.turns.run(id, async () => {
    const record = runtime.sandboxes.find(id);
    if (record) await removeSandbox(runtime, record);
  });
  runtime.events.sandboxDeleted(id);
  // lab:10 end
}
