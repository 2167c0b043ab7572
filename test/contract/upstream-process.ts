import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { killed } from "../../testing/killed.ts";

/** A program of upstream's that runs until it is closed. Its output is in a file. */
export class UpstreamProcess {
  readonly #program: string;
  readonly #log: string;
  readonly #child: ChildProcess;

  constructor(
    program: string,
    log: string,
    flags: Readonly<Record<string, string>>,
    { env = {}, args = [] }: { env?: NodeJS.ProcessEnv; args?: readonly string[] } = {},
  ) {
    const named = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    const words = [...named, ...args];
    const out = openSync(log, "w");
    const stdio = ["ignore" as const, out, out];
    this.#child = spawn(program, words, { stdio, env: { ...process.env, ...env } });
    closeSync(out);
    this.#program = program;
    this.#log = log;
  }

  /** Kills it; throws its last lines if it had ended by itself. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null) {
      const last = readFileSync(this.#log, "utf8").split("\n").slice(-10).join("\n");
      throw new Error(`${this.#program} ended: ${last}`);
    }
    await killed(this.#child);
  }
}
