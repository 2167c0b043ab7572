import type { DiskUse, Ends, Events, ProcessPorts } from "../ports.ts";
import { needsRelease, releaseContainer } from "./exit.ts";
import { unmountImageVolumes } from "./image-volumes.ts";
import { removeContainerFiles, unmountRootfs } from "./rootfs.ts";
import { killContainer } from "./stop.ts";

/**
 * Serves RemoveContainer: kills the container if it runs, then removes its root, files and record,
 * but not its log, which is the kubelet's. An unknown container is no error.
 */
export async function removeContainer(
  runtime: ProcessPorts & Events & Ends & DiskUse,
  id: string,
): Promise<void> {
  await killContainer(runtime, id);
  const removed = await runtime.turns.run(id, async () => {
    const record = runtime.containers.find(id);
    if (!record) return undefined;
    if (needsRelease(runtime, record)) await releaseContainer(runtime, record);
    const paths = runtime.paths.container(id);
    const { metadata } = runtime.sandboxes.find(record.sandboxId)?.config ?? {};
    await unmountRootfs(paths, metadata?.namespace);
    await unmountImageVolumes(paths, metadata?.namespace);
    await runtime.containers.remove(id);
    await removeContainerFiles(paths, metadata?.namespace);
    runtime.diskUsages.forget(paths.upper);
    return record;
  });
  if (removed) runtime.events.containerEvent("deleted", id, removed.sandboxId);
}
