import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { Backoff } from "@raft2kube/reconcile/backoff.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { SUPERVISOR_SCRIPT } from "../assets.ts";
import { startTimeOf } from "../observe/process-table.ts";
import { restartsPath, supervisorPath, supervisorPid } from "../observe/processes.ts";

/** The longest pause before a process is started again. */
const PAUSE_S_MAX = 60;
/** A process that has run so long starts with short pauses again. */
const STEADY_S = 300;
/** A supervisor that was killed is replaced after this long, doubled each time. */
const REPLACE_MS_MIN = 100;
const REPLACE_MS_MAX = 60_000;

export interface Supervised {
  readonly name: string;
  readonly runDir: string;
  readonly logPath: string;
  readonly clock: Clock;
}

/** Takes a supervisor's charge away: it starts nothing from then on, and can be ended. */
export function dismissSupervisor(runDir: string, name: string): void {
  rmSync(supervisorPath(runDir, name), { force: true });
}

/** Forgets the ends of a process, for a start that someone asked for. */
export function forgetRestarts(runDir: string, name: string): void {
  rmSync(restartsPath(runDir, name), { force: true });
}

/**
 * Keeps a supervisor beside this process, a shell of some 200 KiB that waits for the process's end
 * (`supervise.sh`). It is started when the process is ready, and again when it is killed.
 */
export class Supervisor {
  readonly #of: Supervised;
  readonly #log = logger("supervisor");
  #child: ChildProcess | undefined;
  #replacement: Timer | undefined;
  readonly #backoff = new Backoff({ first_ms: REPLACE_MS_MIN, most_ms: REPLACE_MS_MAX });
  #ended = false;

  constructor(of: Supervised) {
    this.#of = of;
  }

  /** Starts the supervisor, and ends the one that started this process, if one did. */
  async start(): Promise<void> {
    const { name, runDir, logPath } = this.#of;
    const former = supervisorPid(runDir, name);
    const args = [SUPERVISOR_SCRIPT, name, runDir, logPath, String(PAUSE_S_MAX), String(STEADY_S)];
    const child = spawn("/bin/sh", [...args, ...ownCommand()], {
      // Its input ends with this process. Its session is its own: no terminal's signals reach it.
      stdio: ["pipe", "inherit", "inherit"],
      detached: true,
      cwd: "/",
    });
    this.#child = child;
    child.on("error", (error) => this.#lost(child, messageOf(error)));
    child.on("exit", (code, signal) => this.#lost(child, `it ended with ${code ?? signal}`));
    child.unref();
    const { pid } = child;
    if (pid === undefined) return; // it has no input where descriptors ran out
    child.stdin.on("error", () => child.stdin.destroy());
    (child.stdin as unknown as { unref(): void }).unref();
    await replaceFile(supervisorPath(runDir, name), `${pid} ${startTimeOf(pid) ?? 0}\n`);
    if (former !== undefined && former === process.ppid) process.kill(former, "SIGTERM");
  }

  /** Called before this process ends because it was asked to. */
  end(): void {
    this.#ended = true;
    this.#replacement?.cancel();
    dismissSupervisor(this.#of.runDir, this.#of.name);
    this.#child?.kill();
  }

  #lost(child: ChildProcess, why: string): void {
    if (this.#ended || this.#child !== child) return;
    this.#child = undefined;
    this.#log.warn("this process is without a supervisor, a new one is started", { why });
    this.#replaceLater();
  }

  #replaceLater(): void {
    this.#replacement ??= this.#of.clock.after(this.#backoff.next(), () => {
      this.#replacement = undefined;
      this.start().catch((err: unknown) => {
        this.#log.error("no supervisor, trying again", { err });
        // One that its file does not name restarts nothing; with its end it is replaced.
        if (this.#child) this.#child.kill();
        else if (!this.#ended) this.#replaceLater();
      });
    });
  }
}

/** The command of this process; its children inherit its network namespace. */
function ownCommand(): string[] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
}
