import { readdir } from "node:fs/promises";
import path from "node:path";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { hideCgroups, showCgroups } from "@raft2kube/runtime/oci/hidden-cgroups.ts";
import { OciRuntime } from "@raft2kube/runtime/oci/runtime.ts";
import { runtimePaths } from "@raft2kube/runtime/paths.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { heedsTerm, parentOf } from "../observe/process-table.ts";
import { findProgram } from "../preflight/programs.ts";
import type { ClusterPlace } from "../spec/config.ts";
import { nodePaths } from "../spec/paths.ts";

/**
 * The first processes of a cluster's containers that end by themselves when they are asked to.
 * `monitors` are the cluster's processes: a pid that is none of theirs any more is passed over.
 */
export async function endingByThemselves(
  config: ClusterPlace,
  monitors: readonly number[],
): Promise<number[]> {
  const { runtimeRoot, runtimeState } = nodePaths(config);
  const paths = runtimePaths(runtimeRoot, runtimeState);
  const ids = await containersIn(path.join(paths.state, "containers"));
  const pids = await Promise.all(ids.map((id) => readPid(paths.container(id).pidFile)));
  return pids.filter((pid) => monitors.includes(parentOf(pid) ?? 0) && heedsTerm(pid));
}

/** 0 when there is none: the container was not started. */
const readPid = async (file: string): Promise<number> => Number((await readIfPresent(file)) ?? 0);

/**
 * Kills the containers of a cluster without cgroups, as the OCI runtime's own state names them;
 * their monitors end with them. The runtime must have ended. Again is no error.
 */
export async function killContainers(config: ClusterPlace): Promise<void> {
  const { runtimeRoot, runtimeState } = nodePaths(config);
  const paths = runtimePaths(runtimeRoot, runtimeState);
  const ids = await containersIn(paths.oci);
  const crun = await findProgram("crun");
  if (ids.length === 0 || crun === undefined) return showCgroups(paths.cgroupV1);
  const oci = new OciRuntime({ path: crun, kind: "crun" }, paths.oci, "none");
  hideCgroups(paths.cgroupV1);
  try {
    for (const id of ids) await oci.delete(id, { force: true });
  } finally {
    showCgroups(paths.cgroupV1);
  }
}

async function containersIn(directory: string): Promise<string[]> {
  try {
    const entries = await readdir(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return [];
    throw thrown;
  }
}
