import type { Clock } from "@raft2kube/std/clock.ts";
import { printable } from "@raft2kube/std/printable.ts";

/** Characters of a line that are kept until it ends. */
const LINE_CHARS_MAX = 8_192;

/** A step of a build, whose lines are printed with its number. */
export type Step = ReturnType<ReturnType<typeof progressOf>>;

/** Returns what starts the steps of a build: it prints to standard error, unless it is `quiet`. */
export function progressOf(kind: string, clock: Clock) {
  let steps = 0;
  return (title: string) => {
    const number = ++steps;
    const start_ms = clock.monotonic();
    const decoder = new TextDecoder();
    let rest = "";
    const note = (line: string) => {
      if (kind !== "quiet") process.stderr.write(`${printable(`#${number} ${line}`)}\n`);
    };
    const seconds = () => ((clock.monotonic() - start_ms) / 1000).toFixed(1);
    const timed = (line: string) => note(`${seconds()} ${line}`);
    note(title.split("\n", 1)[0]!);
    return {
      note,
      /** Prints whole lines of a command's output. */
      output(chunk: Buffer): void {
        const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
        const last = lines.pop()!;
        rest = last.length > LINE_CHARS_MAX ? "" : last;
        for (const line of rest === last ? lines : [...lines, last]) timed(line);
      },
      done(how: "DONE" | "CACHED" | "ERROR"): void {
        if (rest !== "") timed(rest);
        note(how === "DONE" ? `DONE ${seconds()}s` : how);
      },
    };
  };
}
