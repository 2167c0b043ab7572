import { readFile } from "node:fs/promises";
import type { RuntimePaths } from "@raft2kube/runtime/paths.ts";
import { runtimePaths } from "@raft2kube/runtime/paths.ts";
import { identify } from "@raft2kube/runtime/process-identity.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { WAIT_INTERVAL_MS } from "../limits.ts";
import type { HandContainer } from "./hand.ts";
import type { Host } from "./host.ts";

/** Exit code of a container whose end was not seen. */
const UNKNOWN_CODE = 255;

export function pathsOf({ root, state }: Pick<Host, "root" | "state">): RuntimePaths {
  return runtimePaths(root, state);
}

async function exitCode(file: string): Promise<number | undefined> {
  try {
    const text = (await readFile(file, "utf8")).trim();
    return text === "" ? undefined : Number(text);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
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
    const code = await exitCode(exitFile);
    if (code !== undefined) return code;
    if (monitor === 0 || identify(monitor) === undefined) {
      return (await exitCode(exitFile)) ?? UNKNOWN_CODE;
    }
    await delay(host.clock, WAIT_INTERVAL_MS);
  }
}
