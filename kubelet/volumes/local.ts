import { readlink, realpath, rm, stat, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { PersistentVolume, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { type DeviceMount, mountDevice, unmountDevice } from "./device-mount.ts";
import { applyFsGroup } from "./fs-group.ts";
import { ensurePath } from "./host-path.ts";
import { requireLocal } from "./network-mount.ts";
import type { SetUpRequest, VolumePlugin } from "./plugin.ts";

/**
 * `local` PersistentVolumes: a directory or block device of the node. The file system of a device
 * is mounted while a pod uses it, unless pods get the device itself (`volumeMode: Block`). A pod's
 * own directory for the volume is a link to it, by which other pods that use it are found. The
 * first pod that writes gives its files to its fsGroup; a later one with another gets a warning
 * (upstream's rules).
 */
export function localPlugin(events: PodEventSink): VolumePlugin {
  /** Turns by path: two pods never change its files concurrently. */
  const turns = new KeyedTurns();
  return {
    name: "kubernetes.io~local-volume",
    supports: ({ claim }) => claim?.pv.spec.local !== undefined,
    async setUp(request) {
      const { claim, volume } = request.spec;
      const { local, volumeMode } = claim!.pv.spec;
      const { path } = local!;
      const claimed = volume.persistentVolumeClaim?.readOnly ?? false;
      const readOnly = request.readOnly || claimed;
      if (volumeMode === "Block") {
        await ensurePath(path, "BlockDevice");
        return { kind: "block", devicePath: path, readOnly };
      }
      const ready = { kind: "filesystem", readOnly } as const;
      if ((await tolerate(stat(path), errno("ENOENT")))?.isBlockDevice()) {
        const target = join(deviceMounts(request.dir), claim!.pv.metadata.name!);
        await turns.run(target, async () => {
          await mountDevice(deviceMountOf(claim!.pv, target, claimed));
          await claimOnce(request, target, claimed, events);
        });
        return { ...ready, hostPath: target };
      }
      await ensurePath(path, "Directory");
      const real = await realpath(path);
      await turns.run(real, () => claimOnce(request, real, claimed, events));
      return { ...ready, hostPath: path };
    },
    async tearDown({ dir }) {
      const real = (await linkedFrom(dir)) ?? "";
      await turns.run(real, async () => {
        const isDevice = dirname(real) === deviceMounts(dir);
        if (isDevice && !(await isUsedByOthers(dir, real))) await unmountDevice(real);
        await rm(dir, { force: true });
      });
    },
  };
}

/**
 * Where the file systems of devices are mounted, each by the name of its PersistentVolume
 * (upstream's place). `dir` is a pod's: `<rootDir>/pods/<uid>/volumes/<plugin>/<volume>`.
 */
function deviceMounts(dir: string): string {
  return join(dir, "../../../../..", "plugins/kubernetes.io/local-volume/mounts");
}

function deviceMountOf(pv: PersistentVolume, target: string, readOnly: boolean): DeviceMount {
  const { local, mountOptions = [] } = pv.spec;
  const { path: device, fsType } = local!;
  return { device, target, fsType: fsType || "ext4", readOnly, options: mountOptions };
}

/** Gives the files at `real` to the pod's fsGroup unless another pod uses them; links to `real`. */
async function claimOnce(
  { pod, spec, dir, fsGroup }: SetUpRequest,
  real: string,
  readOnly: boolean,
  events: PodEventSink,
): Promise<void> {
  if ((await linkedFrom(dir)) === real) return;
  if (fsGroup !== undefined) {
    const { name = "" } = spec.claim!.pv.metadata;
    const what = `fsGroup of local volume ${name} is not supported`;
    const remedy = "give the directory to the group on its server";
    await requireLocal({ path: real, own: dirname(dir), what, remedy });
    const policy = pod.spec.securityContext?.fsGroupChangePolicy;
    if (await isUsedByOthers(dir, real)) await warnOfOther(pod, name, { fsGroup, real, events });
    else if (!readOnly) await applyFsGroup(real, fsGroup, false, policy);
  }
  await rm(dir, { force: true });
  await symlink(real, dir);
}

async function warnOfOther(
  pod: Pod,
  name: string,
  { fsGroup, real, events }: { fsGroup: number; real: string; events: PodEventSink },
): Promise<void> {
  const { gid } = await stat(real);
  if (gid === fsGroup) return;
  const message =
    `The requested fsGroup is ${fsGroup}, but the volume ${name} has GID ${gid}. ` +
    "The volume may not be shareable.";
  events.record(pod, "Warning", "AlreadyMountedVolume", message);
}

/** `dir` is `<pods>/<uid>/volumes/<plugin>/<volume>`. */
async function isUsedByOthers(dir: string, real: string): Promise<boolean> {
  const volumes = dirname(dir);
  const ownPod = dirname(dirname(volumes));
  for (const uid of await namesIn(dirname(ownPod))) {
    if (uid === basename(ownPod)) continue;
    const links = join(dirname(ownPod), uid, "volumes", basename(volumes));
    const targets = await Promise.all(
      (await namesIn(links)).map((name) => linkedFrom(join(links, name))),
    );
    if (targets.includes(real)) return true;
  }
  return false;
}

async function linkedFrom(path: string): Promise<string | undefined> {
  return tolerate(readlink(path), errno("ENOENT", "EINVAL"));
}
