import type { Clock } from "@raft2kube/std/clock.ts";
import { printable } from "@raft2kube/std/printable.ts";

/** The lines that a build prints to standard error, unless it is `quiet`. */
export class Progress {
  readonly #isQuiet: boolean;
  readonly #clock: Clock;
  #steps = 0;

  constructor(kind: string, clock: Clock) {
    this.#clock = clock;
    this.#isQuiet = kind === "quiet";
  }

  /** Starts a step. Its output and its end are printed with its number. */
  step(title: string): Step {
    const number = ++this.#steps;
    const print = (line: string) => {
      if (!this.#isQuiet) process.stderr.write(`${printable(`#${number} ${line}`)}\n`);
    };
    print(title.split("\n", 1)[0]!);
    return new Step(print, this.#clock);
  }
}

export class Step {
  readonly #print: (line: string) => void;
  readonly #clock: Clock;
  readonly #start_ms: number;
  #rest = "";

  constructor(print: (line: string) => void, clock: Clock) {
    this.#print = print;
    this.#clock = clock;
    this.#start_ms = clock.monotonic();
  }

  /** Prints whole lines of a command's output. */
  output(chunk: Buffer): void {
    const lines = (this.#rest + chunk.toString("utf8")).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#print(this.#timed(line));
    if (this.#rest.length > 8_192) this.output(Buffer.from("\n"));
  }

  note(line: string): void {
    this.#print(line);
  }

  done(how: "DONE" | "CACHED" | "ERROR"): void {
    if (this.#rest !== "") this.#print(this.#timed(this.#rest));
    this.#print(how === "DONE" ? `DONE ${this.#seconds()}s` : how);
  }

  #seconds(): string {
    return ((this.#clock.monotonic() - this.#start_ms) / 1000).toFixed(1);
  }

  #timed(line: string): string {
    return `${this.#seconds()} ${line}`;
  }
}
