import { execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CommandError } from "../../cli/terminal.ts";
import { type Result, readRecord, withResult, writeRecord } from "./record.ts";

const ROOT = join(import.meta.dirname, "../..");
/** The result of a test that has not run. */
export const NEVER: Result = { outcome: "not-run", date: "-", commit: "-", took_s: 0 };

export const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Runs a program to its end, with the terminal of this one. */
function run(program: string, args: readonly string[], what: string, remedy?: string): void {
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  if (status === 0) return;
  throw new CommandError("FAILED", `${what} ended with ${status}`, remedy ? { remedy } : {});
}

export const r2k = (...args: string[]) => run(join(ROOT, "r2k"), args, `r2k ${args.join(" ")}`);

/** Runs a script that builds what a suite needs. */
export function runScript(script: string, ...args: string[]): void {
  const remedy = "see the messages above; Go and its module proxy are needed";
  const command = [join(ROOT, "scripts", script), ...args];
  run(process.execPath, command, `scripts/${script} ${args.join(" ")}`, remedy);
}

/** Runs a program whose output goes to a file; resolves with how it ended, as words. */
export async function runInto(
  file: string,
  program: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<string> {
  const output = openSync(file, "w");
  const stdio: SpawnOptions["stdio"] = ["ignore", output, output];
  const child = spawn(program, args, { killSignal: "SIGKILL", ...options, stdio });
  try {
    const [code, signal] = (await once(child, "exit")) as [number | null, string | null];
    return `it ended with ${signal ?? code}`;
  } finally {
    closeSync(output);
  }
}

/** The commit of the product, for records. */
export function commitHere(): string {
  const git = ["rev-parse", "--short=8", "HEAD"];
  return execFileSync("git", git, { cwd: ROOT, encoding: "utf8" }).trim();
}

/** Prints the names of a record and their last results. */
export function list(file: string): void {
  for (const [name, { outcome }] of readRecord(file)) say(`${outcome.padEnd(7)}  ${name}`);
}

/** Prints a test's result of today, and records it where a record is given. */
export function report(
  name: string,
  { message = "", ...of }: Pick<Result, "outcome" | "took_s" | "commit"> & { message?: string },
  record?: { readonly file: string; readonly head?: string },
): Result {
  const result = { ...of, date: new Date(systemClock().now()).toISOString().slice(0, 10) };
  if (record) {
    // Read again: causes may have been written meanwhile.
    const results = withResult(readRecord(record.file), name, result);
    writeRecord(results, record.file, record.head);
  }
  say(`${of.outcome.padEnd(7)} ${of.took_s.toFixed(0).padStart(4)} s  ${name}`);
  if (message !== "") say(`               ${message}`);
  return result;
}
