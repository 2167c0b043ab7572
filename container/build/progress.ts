import { printable } from "../format/printable.ts";

export type ProgressKind = "auto" | "plain" | "quiet" | "tty";

/** What a build prints while it goes on, to standard error. */
export class Progress {
  readonly #isQuiet: boolean;
  #steps = 0;

  constructor(kind: ProgressKind) {
    this.#isQuiet = kind === "quiet";
  }

  /** Begins a step. Its output and its end are printed with its number. */
  step(title: string): Step {
    const number = ++this.#steps;
    const print = (line: string) => {
      if (!this.#isQuiet) process.stderr.write(`${printable(`#${number} ${line}`)}\n`);
    };
    print(title.split("\n", 1)[0]!);
    return new Step(print);
  }
}

export class Step {
  readonly #print: (line: string) => void;
  readonly #start_ms = performance.now();
  #rest = "";

  constructor(print: (line: string) => void) {
    this.#print = print;
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
    return ((performance.now() - this.#start_ms) / 1000).toFixed(1);
  }

  #timed(line: string): string {
    return `${this.#seconds()} ${line}`;
  }
}
