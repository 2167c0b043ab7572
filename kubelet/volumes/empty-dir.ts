import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { valueOf } from "@raft2kube/std/quantity.ts";
import { podResources } from "../containers/qos.ts";
import { mountMemory, removeVolumeDir } from "./disk.ts";
import { applyFsGroup, unmappedGroup } from "./fs-group.ts";
import type { SetUpRequest, VolumePlugin } from "./plugin.ts";
import type { ProjectionSources } from "./projection.ts";
import { VolumeError } from "./volume-error.ts";
import { directoryUsage } from "./volume-usage.ts";

/** The name on disk of `emptyDir` volumes. */
export const EMPTY_DIR_PLUGIN = "kubernetes.io~empty-dir";

/** `emptyDir`: a directory that lives as long as the pod, on disk or in memory. */
export function emptyDirPlugin(node: Pick<ProjectionSources, "allocatable">): VolumePlugin {
  return {
    name: EMPTY_DIR_PLUGIN,
    supports: ({ volume }) => volume.emptyDir !== undefined,
    async setUp(request) {
      await makeDir(request, node.allocatable().memory_bytes);
      return { kind: "filesystem", hostPath: request.dir, readOnly: false };
    },
    tearDown: removeVolumeDir,
    usage: ({ dir, measured }) => directoryUsage(dir, measured),
  };
}

/**
 * Returns the size of a directory in memory: the least of its own limit, the pod's memory and the
 * node's. 0 is no limit. What a pod writes beyond its memory fails then, and kills no container.
 */
function memorySize_bytes(pod: Pod, sizeLimit: string | undefined, node_bytes: number): number {
  const own_bytes = sizeLimit === undefined ? 0 : valueOf(sizeLimit);
  const limits_bytes = [own_bytes, podResources(pod).memoryLimit_bytes ?? 0, node_bytes];
  return Math.min(...limits_bytes.filter((limit_bytes) => limit_bytes > 0));
}

async function makeDir(
  { pod, spec, dir, fsGroup }: SetUpRequest,
  node_bytes: number,
): Promise<void> {
  const { medium = "", sizeLimit } = spec.volume.emptyDir ?? {};
  if (medium !== "" && medium !== "Memory") {
    throw new VolumeError("NotSupported", `emptyDir medium ${medium} is not supported`);
  }
  // A directory that was set up before is unchanged: the pod may have changed its owner and mode.
  if (medium === "Memory") {
    const size = `size=${memorySize_bytes(pod, sizeLimit, node_bytes)}`;
    const group = fsGroup === undefined ? ["mode=777"] : ["mode=2777", `gid=${fsGroup}`];
    try {
      await mountMemory(dir, [size, ...group].join(","));
    } catch (thrown) {
      if (fsGroup !== undefined && isErrno(thrown, "EINVAL")) throw unmappedGroup(fsGroup, thrown);
      throw thrown;
    }
    return;
  }
  if (existsSync(dir)) return;
  // It gets its name when it is complete. No volume's name has a dot.
  const made = `${dir}.new`;
  await mkdir(made, { recursive: true });
  setDirectoryMode(made, 0o777);
  await applyFsGroup(made, fsGroup, false);
  await rename(made, dir);
}
