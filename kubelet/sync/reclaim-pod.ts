import { readdir, readlink, unlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { CodedError, isErrno } from "@raft2kube/std/errors.ts";
import type { Allocations } from "../allocation/allocations.ts";
import type { ObservedPod } from "../cri/observed.ts";
import { ignoreGone, type Runtime } from "../cri/runtime.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import type { ImagePuller } from "../images/pull.ts";
import type { BackOffs } from "../pods/back-off.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { type PodPaths, podDir, podLogDir } from "../pods/pod-paths.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import type { UserRanges } from "../sandbox/user-ranges.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";

export interface ReclaimPorts {
  readonly volumes: Pick<PodVolumes, "tearDown">;
  readonly cgroups: Pick<PodCgroups, "remove">;
  readonly devices: Pick<DeviceManager, "release">;
  readonly images: Pick<ImagePuller, "forget">;
  readonly restartBackOff: BackOffs;
  readonly users: Pick<UserRanges, "release">;
  /** Called when nothing of the pod runs (`KubeletOptions.releaseNetwork`). */
  readonly releaseNetwork: (pod: Pod) => void;
}

export interface RemovePorts {
  readonly runtime: Runtime;
  readonly paths: PodPaths;
  readonly allocations: Pick<Allocations, "forget">;
}

/**
 * Releases the resources of a stopped pod, whose object may stay for long. Its ended containers are
 * kept for their logs. Idempotent.
 */
export async function reclaimPod(ports: ReclaimPorts, pod: Pod): Promise<void> {
  const uid = uidOf(pod);
  ports.releaseNetwork(pod);
  await ports.volumes.tearDown(uid, namespaceOf(pod));
  await ports.cgroups.remove(uid);
  await ports.devices.release(uid);
  // Its cgroup is gone, so no process has these ids.
  await ports.users.release(uid);
  ports.images.forget(uid);
  ports.restartBackOff.forgetAll(`${uid}/`);
}

/** Removes containers, sandboxes, logs and directories of a pod that no source has. */
export async function removePodRemains(
  { runtime, paths, allocations }: RemovePorts,
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
  await removePath(dir, namespaceOf(pod));
  await removePath(podLogDir(paths, pod), namespaceOf(pod));
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
      if (!name.startsWith(prefix)) continue;
      const target = resolve(containerLogsDir, await readlink(link));
      if (target.startsWith(`${logs}/`)) await unlink(link);
    }
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}
