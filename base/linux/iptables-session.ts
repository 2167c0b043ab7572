import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { IptablesError, type IptablesKind, RESTORE_ARGS } from "./iptables.ts";

/** Characters of what the program says about a transaction; the rest repeats it. */
const ERRORS_MAX = 16_384;

/** When the program is ended, and with it the memory that it took. */
export interface IptablesSessionLimits {
  /** After so much time without a transaction. */
  idle_ms: number;
  /** After so many calls of `restore`. */
  callsMax: number;
}

/**
 * `iptables-restore --noflush`, kept running between inputs, in the network namespace that this
 * thread is in when it is started. The program commits at each COMMIT, and reads the chains that
 * the next transaction names after that; the legacy one holds the lock of the tables in between.
 * Its socket stays open: at the end of any of netfilter the kernel waits until no packet uses the
 * rules that were removed, 10 ms or more. The end of this process, or of its input, ends it.
 */
export class IptablesSession {
  readonly #kind: IptablesKind;
  readonly #clock: Clock;
  readonly #limits: IptablesSessionLimits;
  #program: RestoreProgram | undefined;
  #idle: Timer | undefined;
  #isBusy = false;
  /** Programs whose input has ended. */
  readonly #ending = new Set<Promise<void>>();

  constructor(kind: IptablesKind, clock: Clock, limits: IptablesSessionLimits) {
    this.#kind = kind;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** The program's process; undefined while none runs. */
  get pid(): number | undefined {
    return this.#program?.hasEnded === false ? this.#program.pid : undefined;
  }

  /**
   * Applies transactions, each up to its COMMIT, as they come: the program commits one while the
   * next is made. Resolves when the last is committed. IptablesError if one is refused, or the
   * program was ended: those before it are applied, and none after it; the next call starts
   * another program. One call at a time.
   */
  async restore(transactions: Iterable<string> | AsyncIterable<string>): Promise<void> {
    assert(!this.#isBusy, "iptables-restore has another input");
    this.#isBusy = true;
    this.#idle?.cancel();
    try {
      if (this.#program?.hasEnded) this.#program = undefined;
      this.#program ??= new RestoreProgram(this.#kind);
      await this.#program.apply(transactions);
    } catch (thrown) {
      this.#end();
      throw thrown;
    } finally {
      this.#isBusy = false;
    }
    if (this.#program.calls >= this.#limits.callsMax) this.#end();
    else this.#idle = this.#clock.after(this.#limits.idle_ms, () => this.#end());
  }

  /** Ends the program, and resolves when it has ended. */
  async close(): Promise<void> {
    assert(!this.#isBusy, "iptables-restore has an input");
    this.#idle?.cancel();
    this.#end();
    await Promise.all(this.#ending);
  }

  #end(): void {
    if (!this.#program) return;
    const ending = this.#program.end().finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
    this.#program = undefined;
  }
}

/** One process of the program. */
class RestoreProgram {
  readonly #name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  /** Resolves when the process has ended and its output is read. */
  readonly #closed: Promise<void>;
  /** Why it was not started. */
  #error: Error | undefined;
  /** How it ended. */
  #status = "";
  #errors = "";
  /** The comment that the program repeats when it has committed all that precedes it. */
  #marker = "";
  #line = "";
  #reached: () => void = () => {};
  /** Lines of the inputs before this one: the program counts all. */
  #linesBefore = 0;
  hasEnded = false;
  calls = 0;

  constructor(kind: IptablesKind) {
    this.#name = `iptables-${kind}-restore`;
    // With --verbose it repeats comments; of statements it says nothing then, as with --noflush.
    const child = spawn(this.#name, [...RESTORE_ARGS, "--verbose"], { stdio: "pipe" });
    this.#child = child;
    child.stdin.on("error", () => undefined); // one that stops reading says why on stderr
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (this.#errors.length < ERRORS_MAX) this.#errors += text;
    });
    this.#closed = new Promise((resolve) => {
      child.on("error", (error) => {
        this.#error = error;
      });
      child.on("close", (status, signal) => {
        this.#status = `ended by ${signal ?? `status ${status}`}`;
        this.hasEnded = true;
        resolve();
      });
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async apply(transactions: Iterable<string> | AsyncIterable<string>): Promise<void> {
    this.#errors = "";
    this.#marker = `# ${++this.calls}`;
    const reached = new Promise<"committed">((resolve) => {
      this.#reached = () => resolve("committed");
    });
    let lines = 1;
    for await (const transaction of transactions) {
      if (this.hasEnded) break;
      lines += transaction.split("\n").length - 1;
      await this.#write(transaction);
    }
    await this.#write(`${this.#marker}\n`);
    if ((await Promise.race([reached, this.#closed])) !== "committed") throw this.#failure();
    this.#linesBefore += lines;
  }

  /** Ends the input; resolves when the program has ended. */
  end(): Promise<void> {
    this.#child.stdin.end();
    return this.#closed;
  }

  /** Resolves when the kernel has the text, or the program reads no more. */
  #write(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#child.stdin.write(text, () => resolve());
    });
  }

  #read(text: string): void {
    const lines = (this.#line + text).split("\n");
    this.#line = (lines.pop() ?? "").slice(0, ERRORS_MAX);
    if (lines.includes(this.#marker)) this.#reached();
  }

  #failure(): IptablesError {
    const said = this.#errors.trim() || (this.#error ? messageOf(this.#error) : this.#status);
    const inInput = said.replaceAll(/\bline(:?) (\d+)/g, (_, colon: string, line: string) =>
      `line${colon} ${Number(line) - this.#linesBefore}`);
    const code = isErrno(this.#error, "ENOENT") ? "iptables-missing" : "iptables-refused";
    return new IptablesError(code, `${this.#name}: ${inInput}`, { cause: this.#error });
  }
}
