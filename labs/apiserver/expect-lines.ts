import { WaitTimeoutError, waitFor } from "@raft2kube/std/wait.ts";
import { judge } from "../judge.ts";
import { clock } from "./world.ts";

/** Longer than any of these checks takes, under load too. */
const SILENCE_MS_MAX = 10_000;
/** Lines that are shown before and after the first difference. */
const SHOWN = 4;

interface Expectation {
  readonly when: string;
  /** The lines; a function if they are known only afterwards. */
  readonly expected: readonly string[] | (() => readonly string[]);
  readonly why: string;
}

/** Waits for as many lines as are expected; fails if they differ. */
export async function expectLines(
  lines: readonly string[],
  expectation: Expectation,
): Promise<void> {
  const { when, why } = expectation;
  const expected = () =>
    typeof expectation.expected === "function" ? expectation.expected() : expectation.expected;
  try {
    const enough = () => lines.length >= expected().length;
    await waitFor("all lines", enough, { clock, timeout_ms: SILENCE_MS_MAX, interval_ms: 5 });
  } catch (thrown) {
    if (!(thrown instanceof WaitTimeoutError)) throw thrown;
  }
  const wanted = expected();
  const at = [...wanted, ...lines].findIndex((_, i) => lines[i] !== wanted[i]);
  const around = (all: readonly string[]) => {
    const shown = all.slice(Math.max(0, at - SHOWN), at + SHOWN).map(short);
    return shown.join("; ") || "no lines";
  };
  judge(lines.length === wanted.length && lines.every((line, i) => line === wanted[i]), {
    when,
    expected: around(wanted),
    happened: around(lines),
    why,
  });
}

const LINE_CHARS_MAX = 100;

function short(line: string): string {
  return line.length <= LINE_CHARS_MAX ? line : `${line.slice(0, LINE_CHARS_MAX)}...`;
}
