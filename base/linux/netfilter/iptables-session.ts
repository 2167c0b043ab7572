import { assert } from "@raft2kube/std/assert.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { type PipedProgram, spawnProgram } from "../process/spawn.ts";
import {
  IptablesError,
  type IptablesKind,
  iptables,
  iptablesCode,
  RESTORE_ARGS,
} from "./iptables.ts";

/** Characters kept of the program's output about a transaction; the rest repeats it. */
const ERRORS_MAX = 16_384;

/** When the program is ended, and with it the memory that it took; when it is killed. */
export interface IptablesSessionLimits {
  /** Time without a transaction after which the program is ended. */
  idle_ms: number;
  /** Calls of `restore` after which the program is ended. */
  callsMax: number;
  /** Time for each transaction of a call, and the answer to the last; it is killed after it. */
  transaction_ms: number;
  /** Time for the program to exit after its input ended; it is killed after it. */
  end_ms: number;
}

/**
 * `iptables-restore --noflush`, kept running between inputs, in the network namespace that this
 * thread is in when it is started. The program commits at each COMMIT, and reads the chains that
 * the next transaction names after that; the legacy one holds the lock of the tables in between.
 * Its socket stays open: at the end of any of netfilter the kernel waits until no packet uses the
 * rules that were removed, 10 ms or more. The end of this process, or of its input, ends it. A
 * program that writes nothing before its input ends takes a single call.
 */
export class IptablesSession {
  readonly #kind: IptablesKind;
  readonly #clock: Clock;
  readonly #limits: IptablesSessionLimits;
  #program: RestoreProgram | undefined;
  #idle: Timer | undefined;
  #isBusy = false;
  #isClosed = false;
  /** Calls of `restore` that one program takes, once its version is known. */
  #callsMax: number | undefined;
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
   * next is made. Resolves when the last is committed. IptablesError if one is refused: those
   * before it are applied, and none after it. Also if the program was ended, by `close` too, or
   * took too long for one (`iptables-failed`). The next call starts another program. One call at a
   * time.
   */
  async restore(transactions: Iterable<string> | AsyncIterable<string>): Promise<void> {
    assert(!this.#isBusy, "iptables-restore has another input");
    this.#isBusy = true;
    this.#idle?.cancel();
    try {
      const { callsMax, idle_ms } = this.#limits;
      this.#callsMax ??= (await iptables(this.#kind).answersAtOnce()) ? callsMax : 1;
      if (this.#isClosed) throw new IptablesError("iptables-failed", "the session was closed");
      if (this.#program?.hasEnded) this.#program = undefined;
      const program = (this.#program ??= new RestoreProgram(this.#kind));
      const isLast = program.calls + 1 >= this.#callsMax;
      const { transaction_ms } = this.#limits;
      const kill = () => program.kill();
      let deadline = this.#clock.after(transaction_ms, kill);
      const isRead = () => {
        deadline.cancel();
        deadline = this.#clock.after(transaction_ms, kill);
      };
      await program.apply(transactions, { isLast, isRead }).finally(() => deadline.cancel());
      if (isLast) this.#end();
      else if (!this.#isClosed) this.#idle = this.#clock.after(idle_ms, () => this.#end());
    } catch (thrown) {
      this.#end();
      throw thrown;
    } finally {
      this.#isBusy = false;
    }
  }

  /** Ends the program, for good; resolves when it has ended. A call under way is rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#idle?.cancel();
    this.#end();
    await Promise.all(this.#ending);
  }

  #end(): void {
    const program = this.#program;
    if (!program) return;
    const late = this.#clock.after(this.#limits.end_ms, () => program.kill());
    const ending = program.end().finally(() => {
      late.cancel();
      this.#ending.delete(ending);
    });
    this.#ending.add(ending);
    this.#program = undefined;
  }
}

/** One process of the program. */
class RestoreProgram {
  readonly #name: string;
  readonly #child: PipedProgram;
  /** Resolves when the process has ended and its output is read. */
  readonly #closed: Promise<void>;
  /** Why it was not started. */
  #error: Error | undefined;
  /** How it ended. */
  #status = "";
  #code = "";
  #isLate = false;
  #isEnding = false;
  #errors = "";
  /** The comment that the program repeats when it has committed all that precedes it. */
  #marker = "";
  #isCommitted = false;
  #line = "";
  #reached: () => void = () => {};
  /** Lines of the inputs before this one: the program counts all. */
  #linesBefore = 0;
  /** Lines of this input, with its comment. */
  #lines = 0;
  hasEnded = false;
  calls = 0;

  constructor(kind: IptablesKind) {
    this.#name = `iptables-${kind}-restore`;
    // With --verbose the program repeats comments, which mark the end of a transaction.
    const args = [...RESTORE_ARGS, "--verbose"];
    const child = spawnProgram(this.#name, args);
    child.on("error", (error) => {
      this.#error = error;
    });
    this.#child = child;
    this.#closed = new Promise((resolve) => {
      child.on("close", (status, signal) => {
        this.#status = `ended by ${signal ?? `status ${status}`}`;
        this.#code = status ? "iptables-refused" : "iptables-failed";
        this.hasEnded = true;
        resolve();
      });
    });
    child.stdout.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (this.#errors.length < ERRORS_MAX) this.#errors += text;
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** `isLast`: the input ends with these. Calls `isRead` when the program has a transaction. */
  async apply(
    transactions: Iterable<string> | AsyncIterable<string>,
    { isLast, isRead }: { isLast: boolean; isRead(): void },
  ): Promise<void> {
    this.#errors = "";
    this.#marker = `# ${++this.calls}`;
    this.#isCommitted = false;
    const reached = new Promise<void>((resolve) => {
      this.#reached = resolve;
    });
    const answered = this.#writeAll(transactions, isRead).then(() => {
      if (isLast) void this.end();
      return reached;
    });
    // A program that ended is an error even where the transactions do not come to an end.
    await Promise.race([answered, this.#closed]);
    if (!this.#isCommitted) throw this.#failure();
  }

  /** Ends the input; resolves when the program has ended. */
  end(): Promise<void> {
    this.#isEnding = true;
    this.#child.stdin.end();
    return this.#closed;
  }

  /** Kills the program, so that a call that takes too long fails. */
  kill(): void {
    this.#isLate = true;
    this.#child.kill("SIGKILL");
  }

  async #writeAll(
    transactions: Iterable<string> | AsyncIterable<string>,
    isRead: () => void,
  ): Promise<void> {
    this.#linesBefore += this.#lines;
    this.#lines = 1;
    for await (const transaction of transactions) {
      if (this.#isEnding || this.hasEnded) return;
      this.#lines += transaction.split("\n").length - 1;
      await this.#write(transaction);
      if (!this.hasEnded) isRead();
    }
    await this.#write(`${this.#marker}\n`);
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
    if (!lines.includes(this.#marker)) return;
    this.#isCommitted = true;
    this.#reached();
  }

  #failure(): IptablesError {
    const why = this.#isLate ? "killed: it took too long" : this.#status;
    const said = this.#errors.trim() || (this.#error ? messageOf(this.#error) : why);
    const inInput = said.replaceAll(
      /\bline(:?) (\d+)/g,
      (_, colon: string, line: string) => `line${colon} ${Number(line) - this.#linesBefore}`,
    );
    const code = this.#error ? iptablesCode(this.#error) : this.#code;
    return new IptablesError(code, `${this.#name}: ${inInput}`, { cause: this.#error });
  }
}
