import { readFile } from "node:fs/promises";
import { readExitFile, UNKNOWN_CODE } from "@raft2kube/runtime/container/exit.ts";
import { type RuntimePaths, runtimePaths } from "@raft2kube/runtime/paths.ts";
import { identify } from "@raft2kube/runtime/process-identity.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { WAIT_INTERVAL_MS } from "../limits.ts";
import type { HandContainer } from "./hand.ts";
import type { Host } from "./host.ts";

export function pathsOf({ root, state }: Pick<Host, "root" | "state">): RuntimePaths {
  return runtimePaths(root, state);
}

/**
 * Waits until a container's process has ended, without holding up other commands. Returns its exit
 * code: of this run of it, also when it is started again.
 */
export async function exitOf(host: Host, { record }: HandContainer): Promise<number> {
  const { phase, id } = record;
  if (phase.state === "exited") return phase.exit.exitCode;
  const { exitFile, conmonPidFile } = pathsOf(host).container(id);
  const monitor = Number(await readFile(conmonPidFile, "utf8").catch(() => "0"));
  for (;;) {
    const isMonitored = monitor !== 0 && identify(monitor) !== undefined;
    const exit = await readExitFile(exitFile);
    if (exit) return exit.code;
    if (!isMonitored) return UNKNOWN_CODE;
    await delay(host.clock, WAIT_INTERVAL_MS);
  }
}

/** docker's exit code for a program that is not there, 127, or that cannot be run, 126. */
export function programCode(error: unknown, otherwise: number): number {
  if (/not found|No such file/i.test(String(error))) return 127;
  // crun opens a directory in vain: EPERM.
  return /permission denied|open executable|is a directory|exec format/i.test(String(error))
    ? 126
    : otherwise;
}
