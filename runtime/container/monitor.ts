import { readFile } from "node:fs/promises";
import { isErrno } from "@raft2kube/std/errors.ts";
import type { ContainerPaths } from "../paths.ts";

/**
 * Whether the conmon of a container still runs, and will write its exit file. Its command line
 * names the container, which distinguishes it from a later process with the same pid.
 */
export async function isMonitored(paths: ContainerPaths, id: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(paths.conmonPidFile, "utf8"));
    const command = await readFile(`/proc/${pid}/cmdline`, "utf8");
    return command.split("\0").includes(id);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return false;
    throw error;
  }
}
