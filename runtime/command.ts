import { constants } from "node:os";
import type { Readable } from "node:stream";
import { type SpawnOptions, spawnProgram } from "@raft2kube/linux/process/spawn.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";
import { RuntimeError } from "./errors.ts";
import { COMMAND_OUTPUT_BYTES, COMMAND_TIMEOUT_MS } from "./limits.ts";

/** Exit code and output of a program. */
export interface CommandResult {
  /** The exit code; 128 + signal when a signal ended it. */
  code: number;
  stdout: Buffer;
  stderr: Buffer;
}

/**
 * Collects a stream up to a limit; the rest is read and dropped, so that the writer does not block.
 */
export function collect(stream: Readable, limit_bytes: number): () => Buffer {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on("data", (chunk: Buffer) => {
    if (size >= limit_bytes) return;
    const kept = chunk.subarray(0, limit_bytes - size);
    chunks.push(kept);
    size += kept.length;
  });
  return () => Buffer.concat(chunks);
}

/**
 * Runs a program to its end, without a shell. A code other than 0 is a result, not an error; a
 * program that cannot be started or does not end in time is.
 */
export function runCommand(
  program: string,
  args: string[],
  options: { timeout_ms?: number; spawn?: SpawnOptions } = {},
): Promise<CommandResult> {
  const { timeout_ms = COMMAND_TIMEOUT_MS } = options;
  return new Promise((resolve, reject) => {
    step(() => [program, ...args]);
    const child = spawnProgram(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: timeout_ms,
      killSignal: "SIGKILL",
      ...options.spawn,
    });
    const stdout = child.stdout ? collect(child.stdout, COMMAND_OUTPUT_BYTES) : noOutput;
    const stderr = child.stderr ? collect(child.stderr, COMMAND_OUTPUT_BYTES) : noOutput;
    child.on("error", (cause) => {
      reject(new RuntimeError("internal", `cannot run ${program}: ${cause.message}`, { cause }));
    });
    child.on("exit", () => {
      // A program that it started may hold its output open without end.
      if (child.killed) for (const stream of [child.stdout, child.stderr]) stream?.destroy();
    });
    child.on("close", (code, signal) => {
      if (code === null && child.killed) {
        const message = `${program} ${args.join(" ")} did not end within ${timeout_ms} ms`;
        reject(new RuntimeError("deadline-exceeded", message));
        return;
      }
      resolve({ code: code ?? exitCodeOf(signal), stdout: stdout(), stderr: stderr() });
    });
  });
}

const noOutput = () => Buffer.alloc(0);

/** 128 + the signal's number, as shells have it. */
export function exitCodeOf(signal: NodeJS.Signals | null): number {
  return signal === null ? 255 : 128 + constants.signals[signal];
}
