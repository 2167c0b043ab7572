import type {
  FilesystemUsage,
  Metric,
  MetricDescriptor,
  NetworkUsage,
} from "@raft2kube/proto/gen/cri.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { everySandbox, everySandboxMetrics } from "../cri/every.ts";
import { isUnimplemented, type Runtime } from "../cri/runtime.ts";
import { type FilesystemSpace, filesystemSpace } from "../node/machine.ts";
import { POD_UID_LABEL } from "../pods/pod-labels.ts";

/** Returns the network usage of pods by UID; empty if the runtime does not report it. */
export async function podNetworks({ runtime }: Runtime): Promise<Map<string, NetworkUsage>> {
  const networks = new Map<string, NetworkUsage>();
  try {
    const { stats } = await runtime.listPodSandboxStats({});
    for (const { attributes, linux } of stats) {
      const uid = attributes?.labels[POD_UID_LABEL];
      if (uid !== undefined && linux?.network) networks.set(uid, linux.network);
    }
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown;
  }
  return networks;
}

/** The metrics of ListPodSandboxMetrics. */
export interface RuntimeMetrics {
  descriptors: readonly MetricDescriptor[];
  /** Samples by the id of a container, or for a sandbox by the UID of its pod. */
  samples: ReadonlyMap<string, readonly Metric[]>;
}

/** Returns the runtime's own metrics; none if it does not report them. */
export async function runtimeMetrics({ runtime }: Runtime): Promise<RuntimeMetrics> {
  const samples = new Map<string, readonly Metric[]>();
  try {
    const { descriptors } = await runtime.listMetricDescriptors({});
    const uids = new Map<string, string>();
    for await (const { id, labels } of everySandbox(runtime)) {
      uids.set(id, labels[POD_UID_LABEL] ?? id);
    }
    for await (const pod of everySandboxMetrics(runtime)) {
      samples.set(uids.get(pod.podSandboxId) ?? pod.podSandboxId, pod.metrics);
      for (const { containerId, metrics } of pod.containerMetrics) {
        samples.set(containerId, metrics);
      }
    }
    return { descriptors, samples };
  } catch (thrown) {
    if (!isUnimplemented(thrown)) throw thrown;
    return { descriptors: [], samples };
  }
}

/** Usage of the runtime's image and container file systems. */
export interface RuntimeFilesystems {
  image: FilesystemUsage | undefined;
  container: FilesystemUsage | undefined;
}

/**
 * Returns the first file system of each kind; a runtime with one for both may report only the
 * images'.
 */
export async function runtimeFilesystems({ images }: Runtime): Promise<RuntimeFilesystems> {
  const { imageFilesystems, containerFilesystems } = await images.imageFsInfo({});
  const [image] = imageFilesystems;
  return { image, container: containerFilesystems[0] ?? image };
}

/** Returns the space of each mount point that exists on this machine. */
export async function spacesOf(
  usages: readonly (FilesystemUsage | undefined)[],
): Promise<Map<string, FilesystemSpace>> {
  const spaces = new Map<string, FilesystemSpace>();
  for (const mountpoint of new Set(usages.map((usage) => usage?.fsId?.mountpoint ?? ""))) {
    if (mountpoint === "") continue;
    try {
      spaces.set(mountpoint, await filesystemSpace(mountpoint));
    } catch (thrown) {
      // The runtime is in another mount namespace: only its own numbers are known.
      if (!isErrno(thrown, "ENOENT", "ENOTDIR", "EACCES")) throw thrown;
    }
  }
  return spaces;
}
