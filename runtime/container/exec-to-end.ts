import { once } from "node:events";
import type { Readable } from "node:stream";
import { aborted, delay, resultWithin } from "@raft2kube/std/wait.ts";
import { RuntimeError } from "../errors.ts";
import { EXEC_DRAIN_MS } from "../limits.ts";
import type { Base, Execs, Programs, Records } from "../ports.ts";
import { type Exec, startExec } from "./exec.ts";

export type ExecOutcome = { stdout: Buffer; stderr: Buffer; exitCode: number };

/**
 * Waits briefly for the output after the command's end: its children may keep it open without end.
 */
async function drained(runtime: Base, exec: Exec): Promise<void> {
  const { stdout, stderr } = exec.child;
  const open = [stdout, stderr].filter((stream) => stream && !stream.closed) as Readable[];
  const closed = Promise.all(open.map((stream) => once(stream, "close")));
  await resultWithin(runtime.clock, closed, EXEC_DRAIN_MS);
  for (const stream of open) stream.destroy();
}

/**
 * Returns the exit code, or undefined after `timeout_ms` (0: no timeout) or the signal's abort.
 */
async function exitWithin(
  runtime: Base,
  exec: Exec,
  timeout_ms: number,
  signal: AbortSignal | undefined,
) {
  const patience = new AbortController();
  const either = AbortSignal.any([patience.signal, ...(signal ? [signal] : [])]);
  const over = timeout_ms > 0 ? delay(runtime.clock, timeout_ms, either) : aborted(either);
  try {
    return await Promise.race([exec.exited, over.then(() => undefined)]);
  } finally {
    patience.abort();
  }
}

/**
 * Serves ExecSync: runs a command to its end and returns its output, within the budget of
 * ExecOutputs, which it gives back. After `timeout_s` seconds (0: never) the command is killed and
 * the call fails with deadline-exceeded; when the caller gives up, it is killed, too. The files of
 * the exec are removed in any case.
 */
export async function execToEnd(
  runtime: Base & Records & Programs & Execs,
  id: string,
  cmd: string[],
  timeout_s: number,
  signal?: AbortSignal,
): Promise<ExecOutcome> {
  // lab:10 begin execToEnd
  const exec = await startExec(runtime, id, { cmd, tty: false, stdio: ["ignore", "pipe", "pipe"] });
  using output = runtime.execOutputs.hold();
  const stdout = output.collect(exec.child.stdout!);
  const stderr = output.collect(exec.child.stderr!);
  try {
    const exitCode = await exitWithin(runtime, exec, timeout_s * 1000, signal);
    if (exitCode === undefined) {
      await exec.kill();
      await exec.exited;
      signal?.throwIfAborted();
      const message = `command ${JSON.stringify(cmd)} timed out after ${timeout_s} s`;
      throw new RuntimeError("deadline-exceeded", message);
    }
    await drained(runtime, exec);
    return { stdout: stdout(), stderr: stderr(), exitCode };
  } finally {
    await exec.cleanUp();
  }
  // lab:10 end
}
