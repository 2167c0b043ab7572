import { join } from "node:path";
import type { Container, Pod, VolumeMount } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import { type Device, type Mount, MountPropagation } from "@raft2kube/proto/gen/cri.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { type PodPaths, subpathsDir } from "../pods/pod-paths.ts";
import type { ReadyVolume } from "../volumes/plugin.ts";
import { mountSubPath } from "../volumes/sub-path.ts";
import { ContainerConfigError } from "./env.ts";
import { expandStrictly } from "./expand.ts";
import { hasRecursiveReadOnly, recursiveReadOnly } from "./recursive-read-only.ts";

export interface MountContext {
  volumes: ReadonlyMap<string, ReadyVolume>;
  env: ReadonlyMap<string, string>;
  paths: PodPaths;
  runtime: Runtime;
  /** Ids of the images that the container has as volumes, by the volumes' names. */
  imageVolumes: ReadonlyMap<string, string>;
  /** The pod's own /etc/hosts, when the kubelet manages one. */
  hostsFile: string | undefined;
  /** The file that becomes the container's terminationMessagePath. */
  terminationLog: string;
}

const TERMINATION_PATH = "/dev/termination-log";

/**
 * Returns everything that is mounted into a container on top of its image. Makes the bind mounts of
 * subPaths.
 */
export async function containerMounts(
  pod: Pod,
  container: Container,
  context: MountContext,
): Promise<Init<Mount>[]> {
  const mounts: Init<Mount>[] = [];
  let supported: Promise<boolean> | undefined;
  // Asked once: each answer calls the plugins of the network.
  const isSupported = () => (supported ??= hasRecursiveReadOnly(context.runtime));
  for (const [index, wanted] of (container.volumeMounts ?? []).entries()) {
    mounts.push(await volumeMount(pod, container, wanted, index, { ...context, isSupported }));
  }
  const taken = new Set(mounts.map(({ containerPath }) => containerPath));
  if (context.hostsFile && !taken.has("/etc/hosts")) {
    mounts.push({ containerPath: "/etc/hosts", hostPath: context.hostsFile });
  }
  const containerPath = container.terminationMessagePath || TERMINATION_PATH;
  mounts.push({ containerPath, hostPath: context.terminationLog });
  return mounts;
}

async function volumeMount(
  pod: Pod,
  container: Container,
  wanted: VolumeMount,
  index: number,
  context: MountContext & { isSupported: () => Promise<boolean> },
): Promise<Init<Mount>> {
  const { volumes, env, paths, isSupported } = context;
  const volume = volumes.get(wanted.name);
  if (!volume) throw new ContainerConfigError(`volume ${wanted.name} is not mounted in the pod`);
  if (volume.kind === "image") return imageMount(container, wanted, context);
  if (volume.kind === "block") {
    throw new ContainerConfigError(`volume ${wanted.name} is a block device: use volumeDevices`);
  }
  let { hostPath } = volume;
  const subPath = subPathOf(wanted, env);
  if (subPath) {
    const dir = subpathsDir(paths, uidOf(pod));
    hostPath = join(dir, wanted.name, container.name, String(index));
    try {
      const from = { name: wanted.name, path: volume.hostPath };
      await mountSubPath(from, subPath, hostPath, { beside: paths.rootDir });
    } catch (thrown) {
      const why = messageOf(thrown);
      throw new ContainerConfigError(
        `failed to prepare subPath for volumeMount "${wanted.name}" of container ` +
          `"${container.name}": ${why}`,
      );
    }
  }
  const readonly = (wanted.readOnly ?? false) || volume.readOnly;
  return {
    containerPath: absolute(wanted.mountPath),
    hostPath,
    readonly,
    recursiveReadOnly: await recursiveReadOnly(wanted, isSupported),
    propagation: propagationOf(wanted),
  };
}

/** The runtime mounts an image, and finds the subPath in it. */
function imageMount(
  container: Container,
  wanted: VolumeMount,
  { env, imageVolumes }: MountContext,
): Init<Mount> {
  const image = imageVolumes.get(wanted.name);
  if (image === undefined) {
    const message = `image volume ${wanted.name} of container ${container.name} is not pulled`;
    throw new ContainerConfigError(message);
  }
  return {
    containerPath: absolute(wanted.mountPath),
    image: { image },
    imageSubPath: subPathOf(wanted, env),
    readonly: true,
    propagation: propagationOf(wanted),
  };
}

function subPathOf(wanted: VolumeMount, env: ReadonlyMap<string, string>): string {
  if (!wanted.subPathExpr) return wanted.subPath ?? "";
  try {
    return expandStrictly(wanted.subPathExpr, (name) => env.get(name));
  } catch (thrown) {
    const why = messageOf(thrown);
    throw new ContainerConfigError(`cannot expand subPathExpr ${wanted.subPathExpr}: ${why}`);
  }
}

function propagationOf({ mountPropagation = "None" }: VolumeMount): MountPropagation {
  switch (mountPropagation) {
    case "HostToContainer":
      return MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
    case "Bidirectional":
      return MountPropagation.PROPAGATION_BIDIRECTIONAL;
    case "None":
      return MountPropagation.PROPAGATION_PRIVATE;
    default:
      throw new ContainerConfigError(`unknown mountPropagation ${String(mountPropagation)}`);
  }
}

/** Returns the absolute form of a path in a container, as the runtime needs it. */
export const absolute = (path: string): string => (path.startsWith("/") ? path : `/${path}`);

/** Block volumes as devices of the container. */
export function volumeDevices(
  container: Container,
  volumes: ReadonlyMap<string, ReadyVolume>,
): Init<Device>[] {
  return (container.volumeDevices ?? []).map(({ name, devicePath }) => {
    const volume = volumes.get(name);
    if (volume?.kind !== "block") {
      throw new ContainerConfigError(`volume ${name} is not a block device`);
    }
    const permissions = volume.readOnly ? "r" : "mrw";
    return { containerPath: devicePath, hostPath: volume.devicePath, permissions };
  });
}
