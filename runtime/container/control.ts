import { constants, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { isErrno } from "@raft2kube/std/errors.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { RuntimeError } from "../errors.ts";
import { REOPEN_TIMEOUT_MS } from "../limits.ts";
import type { Base, Records } from "../ports.ts";

/** A command of conmon's control pipe: `TYPE A B` and a line end. */
const RESIZE = 1;
const REOPEN_LOG = 2;

async function control({ paths }: Pick<Base, "paths">, id: string, line: string): Promise<void> {
  try {
    // Non-blocking: without conmon the pipe has no reader.
    const flags = constants.O_WRONLY | constants.O_NONBLOCK;
    await using pipe = await open(paths.container(id).controlFifo, flags);
    await pipe.write(line);
  } catch (cause) {
    if (!isErrno(cause, "ENXIO", "ENOENT")) throw cause;
    throw new RuntimeError("unavailable", `the conmon of container ${id} is gone`, { cause });
  }
}

/** Makes conmon reopen the log file after it was renamed; it is there when this resolves. */
export async function reopenLog(runtime: Base & Records, id: string): Promise<void> {
  const { logPath, phase } = runtime.containers.get(id);
  if (phase.state !== "running") {
    throw new RuntimeError("failed-precondition", `container ${id} is not running`);
  }
  const inode = () => {
    return logPath === undefined ? undefined : statSync(logPath, { throwIfNoEntry: false })?.ino;
  };
  const before = inode();
  await control(runtime, id, `${REOPEN_LOG} 0 0\n`);
  if (logPath === undefined) return;
  const isNew = () => ![undefined, before].includes(inode());
  const options = { clock: runtime.clock, timeout_ms: REOPEN_TIMEOUT_MS, interval_ms: 5 };
  await waitFor(`conmon to reopen ${logPath}`, isNew, options);
}

/** Sets the size of the container's terminal, in characters. */
export async function resizeTerminal(
  runtime: Pick<Base, "paths">,
  id: string,
  size: { width: number; height: number },
): Promise<void> {
  await control(runtime, id, `${RESIZE} ${size.height} ${size.width}\n`);
}
