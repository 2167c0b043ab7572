import { readdir, readlink, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { ignoreGone } from "../cri/runtime.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { podDir, podLogDir, type PodPaths } from "../pods/pod-paths.ts";
import type { ObservedPod } from "../cri/observed.ts";
import type { PodDeps } from "./pod-deps.ts";

/**
 * Releases the resources of a stopped pod. Its ended containers are kept for their logs.
 * Idempotent.
 */
export async function reclaimPod(deps: PodDeps, pod: Pod): Promise<void> {
  const uid = uidOf(pod);
  await deps.volumes.tearDown(uid);
  await deps.cgroups.remove(uid);
  await deps.devices.release(uid);
  deps.images.forget(uid);
  deps.restartBackOff.forgetAll(`${uid}/`);
}

/** Removes containers, sandboxes, logs and directories of a pod that no source has. */
export async function removePodRemains(
  { runtime, paths, allocations }: PodDeps,
  pod: Pod,
  observed: ObservedPod,
): Promise<void> {
  for (const { id } of observed.containers) {
    await ignoreGone(runtime.runtime.removeContainer({ containerId: id }));
  }
  for (const { id } of observed.sandboxes) {
    await ignoreGone(runtime.runtime.removePodSandbox({ podSandboxId: id }));
  }
  const dir = podDir(paths, uidOf(pod));
  const [inside] = mountPointsBelow(dir);
  if (inside) {
    // Going on would delete through the mount.
    throw new CodedError("StillMounted", `${dir} is kept: ${inside} is still mounted`);
  }
  await removePath(dir);
  await removePath(podLogDir(paths, pod));
  await removeLogLinks(paths, pod);
  await allocations.forget(uidOf(pod));
}

async function removeLogLinks(paths: PodPaths, pod: Pod): Promise<void> {
  const { containerLogsDir } = paths;
  if (!containerLogsDir) return;
  const prefix = `${nameOf(pod)}_${namespaceOf(pod)}_`;
  const logs = podLogDir(paths, pod);
  try {
    for (const name of await readdir(containerLogsDir)) {
      const link = join(containerLogsDir, name);
      // Another pod of the same name may already have its own links.
      if (name.startsWith(prefix) && (await readlink(link)).startsWith(`${logs}/`)) {
        await unlink(link);
      }
    }
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}
