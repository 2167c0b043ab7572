import type { Clock } from "@raft2kube/std/clock.ts";
import { asError, CodedError, isErrno } from "@raft2kube/std/errors.ts";
import { printable, printableJson } from "@raft2kube/std/printable.ts";

/** A finding's words may be a node's or a tenant's: no more of them is printed. */
const SHOWN_LENGTH_MAX = 500;

/**
 * A command that cannot do what was asked; `exitCode` 1: a step failed, 2: the machine is not fit.
 */
export class CommandError extends CodedError {
  readonly exitCode: number;

  constructor(
    code: string,
    message: string,
    options: { remedy?: string; cause?: unknown; exitCode?: number } = {},
  ) {
    super(code, message, options);
    this.exitCode = options.exitCode ?? 1;
  }
}

/** Writes a failure as a person reads it, with its remedy; returns its exit code, by default 1. */
export function reportFailure(thrown: unknown): number {
  const error = asError(thrown);
  const lines = [`r2k: ${error.message}`];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    if (!lines.some((line) => line.includes((cause as Error).message))) {
      lines.push(`  because: ${cause.message}`);
    }
  }
  if (error instanceof CodedError && error.remedy) lines.push(`  remedy: ${error.remedy}`);
  if (process.env["R2K_LOG"] === "debug" && error.stack) lines.push(error.stack);
  process.stderr.write(`${printable(lines.join("\n"))}\n`);
  return "exitCode" in error && typeof error.exitCode === "number" ? error.exitCode : 1;
}

/** Reports the failure of a program's work, whose exit code is the process's then. */
export function runProgram(work: Promise<unknown>): void {
  work.catch((thrown: unknown) => {
    process.exitCode = reportFailure(thrown);
  });
}

/**
 * Lets a command continue to its end when the reader of its output has gone (EPIPE), or its
 * terminal (EIO); what it writes from then on is lost.
 */
export function outliveReader(output: NodeJS.EventEmitter): void {
  output.on("error", (error: Error) => {
    if (!isErrno(error, "EPIPE", "EIO")) throw error;
  });
}

/** Progress of a long command: a line when a step starts, its time when it ends. */
export interface Progress {
  step<T>(title: string, work: () => Promise<T>): Promise<T>;
  note(line: string): void;
}

/** Progress as lines of stderr, which may lose its reader: a command's undoing goes on. */
export function terminalProgress(clock: Clock): Progress {
  const stream = process.stderr;
  const live = stream.isTTY;
  outliveReader(stream);
  return {
    async step(title, work) {
      if (live) stream.write(`  … ${title}`);
      const start_ms = clock.monotonic();
      try {
        const result = await work();
        const took_s = ((clock.monotonic() - start_ms) / 1000).toFixed(1);
        stream.write(`${live ? "\r\u001b[K" : ""}  ✓ ${title} (${took_s} s)\n`);
        return result;
      } catch (thrown) {
        stream.write(`${live ? "\r\u001b[K" : ""}  ✗ ${title}\n`);
        throw thrown;
      }
    },
    note: (line) => void stream.write(`${printable(line)}\n`),
  };
}

/** Progress of work whose steps are not shown, but for its notes. */
export function quietProgress({ note }: Progress): Progress {
  return { step: (_, work) => work(), note };
}

/** Prints a command's result: as JSON if its `-o json` asks for that, else as a person reads it. */
export function printResult<T>(
  output: string | undefined,
  result: T,
  describe: (result: T) => string,
): void {
  process.stdout.write(`${output === "json" ? printableJson(result) : describe(result)}\n`);
}

/** A text that others wrote, as a part of a line: its beginning, in characters that a line prints. */
export const onOneLine = (text: string): string =>
  printable(text.slice(0, SHOWN_LENGTH_MAX).replaceAll("\n", " "));

/** Rows as lines of columns, each as wide as its widest cell. Cells may be texts of others. */
export function table(rows: readonly (readonly string[])[]): string {
  const shown = rows.map((row) => row.map(onOneLine));
  const widths = shown[0]!.map((_, at) => Math.max(...shown.map((row) => row[at]!.length)) + 2);
  const lines = shown.map((row) => row.map((cell, at) => cell.padEnd(widths[at]!)).join(""));
  return lines.map((line) => line.trimEnd()).join("\n");
}
