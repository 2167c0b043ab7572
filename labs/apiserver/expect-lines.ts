import { judge } from "../judge.ts";
import { QUIET_S, untilQuiet } from "../quiet.ts";

/** Lines that are shown before and after the first difference. */
const SHOWN = 4;

interface Expectation {
  readonly when: string;
  /** The lines; a function if they are known only afterwards. */
  readonly expected: readonly string[] | (() => readonly string[]);
  readonly why: string;
  /** How many times QUIET_S the next line may take: more where a program has to start first. */
  readonly patience?: number;
}

/** Waits for as many lines as are expected, until no more come; fails if they differ. */
export async function expectLines(
  lines: readonly string[],
  expectation: Expectation,
): Promise<void> {
  const { when, why } = expectation;
  const expected = () =>
    typeof expectation.expected === "function" ? expectation.expected() : expectation.expected;
  const enough = () => {
    const wanted = expected();
    return lines.length >= wanted.length || lines.some((line, i) => line !== wanted[i]);
  };
  const came = await untilQuiet(enough, () => lines.length, expectation.patience);
  const quiet_s = QUIET_S * (expectation.patience ?? 1);
  const wanted = expected();
  const at = [...wanted, ...lines].findIndex((_, i) => lines[i] !== wanted[i]);
  const around = (all: readonly string[]) => {
    const shown = all.slice(Math.max(0, at - SHOWN), at + SHOWN).map(short);
    return shown.join("; ") || "no lines";
  };
  judge(lines.length === wanted.length && lines.every((line, i) => line === wanted[i]), {
    when,
    expected: around(wanted),
    happened: came ? around(lines) : `${around(lines)}; nothing more for ${quiet_s} s`,
    why,
  });
}

const LINE_CHARS_MAX = 100;

function short(line: string): string {
  return line.length <= LINE_CHARS_MAX ? line : `${line.slice(0, LINE_CHARS_MAX)}...`;
}
