import { mkdir } from "node:fs/promises";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { valueOf } from "@raft2kube/std/quantity.ts";
import { mountMemory, removeVolumeDir } from "./disk.ts";
import { applyFsGroup } from "./fs-group.ts";
import type { SetUpRequest, VolumePlugin } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";
import { directoryUsage } from "./volume-usage.ts";

/** The name on disk of `emptyDir` volumes. */
export const EMPTY_DIR_PLUGIN = "kubernetes.io~empty-dir";

/** `emptyDir`: a directory that lives as long as the pod, on disk or in memory. */
export function emptyDirPlugin(): VolumePlugin {
  return {
    name: EMPTY_DIR_PLUGIN,
    supports: ({ volume }) => volume.emptyDir !== undefined,
    async setUp(request) {
      await makeDir(request);
      return { kind: "filesystem", hostPath: request.dir, readOnly: false };
    },
    tearDown: removeVolumeDir,
    usage: ({ dir, measured }) => directoryUsage(dir, measured),
  };
}

async function makeDir({ spec, dir, fsGroup }: SetUpRequest): Promise<void> {
  const { medium = "", sizeLimit } = spec.volume.emptyDir ?? {};
  if (medium !== "" && medium !== "Memory") {
    throw new VolumeError("NotSupported", `emptyDir medium ${medium} is not supported`);
  }
  // A directory that was set up before is unchanged: the pod may have changed its owner and mode.
  if (medium === "Memory") {
    const limit_bytes = sizeLimit === undefined ? undefined : valueOf(sizeLimit);
    // 0 is no limit for tmpfs: use one block.
    const options = limit_bytes === undefined ? "" : `size=${Math.max(1, limit_bytes)}`;
    if (!(await mountMemory(dir, options))) return;
  } else {
    try {
      await mkdir(dir);
    } catch (thrown) {
      if (isErrno(thrown, "EEXIST")) return;
      throw thrown;
    }
  }
  setDirectoryMode(dir, 0o777);
  await applyFsGroup(dir, fsGroup, false);
}
