import { once } from "node:events";
import { spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { DRAIN_MS } from "../limits.ts";

const failed = (why: string) => new RuntimeError("failed-precondition", `the command ${why}`);

/**
 * Runs a program that starts a step's processes, to its end, its time's, or the signal's, by which
 * it is killed: those processes are the caller's to end. Output that they still hold later is not
 * waited for.
 */
export async function runToEnd(
  program: string,
  args: readonly string[],
  options: {
    clock: Clock;
    timeout_ms: number;
    signal: AbortSignal;
    output: (chunk: Buffer) => void;
    /** The likely reason of an exit code, for the error. */
    reason: (code: number | null) => string;
  },
): Promise<void> {
  const { clock, timeout_ms, signal, output, reason } = options;
  const child = spawnProgram(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit") as Promise<[code: number | null, killed: string | null]>;
  const pipes = [child.stdout!, child.stderr!];
  for (const pipe of pipes) pipe.on("data", output);
  const closed = Promise.all(pipes.map((pipe) => once(pipe, "close")));
  const late = new AbortController();
  const timeout = clock.after(timeout_ms, () => late.abort(failed(`took over ${timeout_ms} ms`)));
  const stop = AbortSignal.any([signal, late.signal]);
  const kill = () => void child.kill("SIGKILL");
  stop.addEventListener("abort", kill, { once: true });
  if (stop.aborted) kill();
  try {
    const [code, killed] = await ended;
    if (!stop.aborted) await resultWithin(clock, closed, DRAIN_MS);
    stop.throwIfAborted();
    if (killed !== null) throw failed(`was ended by ${killed}`);
    if (code !== 0) throw failed(`ended with exit code ${code}${reason(code)}`);
  } finally {
    timeout.cancel();
    for (const pipe of pipes) pipe.destroy();
  }
}
