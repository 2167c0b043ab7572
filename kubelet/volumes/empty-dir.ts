import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { valueOf } from "@raft2kube/std/quantity.ts";
import { mountMemory, removeVolumeDir } from "./disk.ts";
import { applyFsGroup, unmappedGroup } from "./fs-group.ts";
import type { SetUpRequest, VolumePlugin } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";
import { directoryUsage } from "./volume-usage.ts";

/** The name on disk of `emptyDir` volumes. */
export const EMPTY_DIR_PLUGIN = "kubernetes.io~empty-dir";

/**
 * `emptyDir`: a directory that lives as long as the pod, on disk or in memory. `memory_bytes`
 * returns what a pod may use of the node's memory.
 */
export const emptyDirPlugin = (memory_bytes: (pod: Pod) => number): VolumePlugin => ({
  name: EMPTY_DIR_PLUGIN,
  supports: ({ volume }) => volume.emptyDir !== undefined,
  async setUp(request) {
    await makeDir(request, memory_bytes(request.pod));
    return { kind: "filesystem", hostPath: request.dir, readOnly: false };
  },
  tearDown: removeVolumeDir,
  usage: ({ dir, measured }) => directoryUsage(dir, measured),
});

async function makeDir({ spec, dir, fsGroup }: SetUpRequest, most_bytes: number): Promise<void> {
  const { medium = "", sizeLimit } = spec.volume.emptyDir ?? {};
  if (medium !== "" && medium !== "Memory") {
    throw new VolumeError("NotSupported", `emptyDir medium ${medium} is not supported`);
  }
  // A directory that was set up before is unchanged: the pod may have changed its owner and mode.
  if (medium === "Memory") {
    // A limit of 0 is none. A write beyond the pod's memory fails, and kills no container.
    const own_bytes = sizeLimit === undefined ? 0 : valueOf(sizeLimit);
    const size = `size=${own_bytes > 0 ? Math.min(own_bytes, most_bytes) : most_bytes}`;
    const group = fsGroup === undefined ? ["mode=1777"] : ["mode=3777", `gid=${fsGroup}`];
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
