import { once } from "node:events";
import { spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { DRAIN_MS } from "../limits.ts";

/**
 * Runs a program that starts a step's processes, to its end, its time's, or the signal's. Then
 * `end` ends those processes; what still holds the output later is not waited for.
 */
export function runToEnd(
  program: string,
  args: readonly string[],
  options: {
    clock: Clock;
    timeout_ms: number;
    signal: AbortSignal;
    end: () => Promise<unknown>;
    output: (chunk: Buffer) => void;
    /** The likely reason of an exit code, for the error. */
    reason: (code: number | null) => string;
  },
): Promise<void> {
  const { clock, timeout_ms, signal, end, output } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const child = spawnProgram(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  child.on("error", reject);
  const pipes = [child.stdout!, child.stderr!];
  for (const pipe of pipes) pipe.on("data", output);
  const closed = Promise.all(pipes.map((pipe) => once(pipe, "close")));
  const failed = (why: string) => new RuntimeError("failed-precondition", `the command ${why}`);
  let stopped: unknown;
  const stop = (why: unknown) => {
    stopped ??= why;
    end()
      .catch(reject)
      .finally(() => child.kill("SIGKILL"));
  };
  const timeout = clock.after(timeout_ms, () => stop(failed(`took over ${timeout_ms} ms`)));
  const aborted = () => stop(signal.reason);
  signal.addEventListener("abort", aborted, { once: true });
  if (signal.aborted) aborted();
  child.on("exit", (code, killed) => {
    const how = killed ? `was ended by ${killed}` : `ended with exit code ${code}`;
    const settle = () => {
      for (const pipe of pipes) pipe.destroy();
      if (stopped !== undefined) reject(stopped);
      else if (code === 0) resolve();
      else reject(failed(how + options.reason(code)));
    };
    const drain = clock.after(DRAIN_MS, settle);
    void closed.then(() => {
      drain.cancel();
      settle();
    });
  });
  return promise.finally(() => {
    timeout.cancel();
    signal.removeEventListener("abort", aborted);
  });
}
