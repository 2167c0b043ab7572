import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The last result of each conformance test, committed. */
export const RECORD = join(import.meta.dirname, "results.txt");

/** The last result of each of upstream's other tests that ran. */
export const BEYOND = join(import.meta.dirname, "beyond.txt");

const OUTCOMES = ["passed", "failed", "timeout", "skipped", "lost", "not-run"] as const;

/**
 * `timeout`: its time was over; `skipped`: the test found that this cluster cannot run it; `lost`:
 * its process ended without a report.
 */
export type Outcome = (typeof OUTCOMES)[number];

export interface Result {
  readonly outcome: Outcome;
  /** The day of the run, and the commit of the product. */
  readonly date: string;
  readonly commit: string;
  readonly took_s: number;
  /** Why it fails, written by a person; kept while the test fails. */
  readonly cause?: string;
}

/** Results by the test's name. */
export type Results = ReadonlyMap<string, Result>;

/** A line that is no result, or a cause that belongs to none. */
export class RecordError extends Error {
  override readonly name = "RecordError";
}

const LINE = /^(\S+) +(\d{4}-\d\d-\d\d|-) +(\S+) +(\d+) s +(\S.*)$/;

/** Reads what `formatResults` writes. Throws RecordError with the number of a line it cannot. */
export function parseResults(text: string): Map<string, Result> {
  const results = new Map<string, Result>();
  let last: string | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const [, outcome, date = "", commit = "", took_s, name = ""] = LINE.exec(line) ?? [];
    if (outcome !== undefined && isOutcome(outcome)) {
      results.set(name, { outcome, date, commit, took_s: Number(took_s) });
      last = name;
    } else if (line.startsWith("    ") && last !== undefined) {
      results.set(last, { ...results.get(last)!, cause: line.trim() });
    } else {
      throw new RecordError(`line ${index + 1} is neither a result nor its cause: ${line}`);
    }
  }
  return results;
}

function isOutcome(text: string): text is Outcome {
  return OUTCOMES.some((outcome) => outcome === text);
}

const HEAD = `# The last result of each test, written by \`npm run conformance\`.
# Under a test that does not pass stands, indented, why: write it there when it was examined.
`;

/** One line for each test, by name, and its cause below it. */
export function formatResults(results: Results, head = HEAD): string {
  const byName = [...results].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const lines = byName.flatMap(([name, { outcome, date, commit, took_s, cause }]) => {
    const day = date.padEnd(10);
    const took = `${Math.round(took_s)} s`.padStart(6);
    const line = `${outcome.padEnd(7)} ${day} ${commit.padEnd(8)} ${took}  ${name}`;
    return cause === undefined ? [line] : [line, `    ${cause}`];
  });
  return `${head}${lines.join("\n")}\n`;
}

/** Adds a test's new result; its cause stays while it does not pass. */
export function withResult(results: Results, name: string, result: Result): Results {
  const cause = result.outcome === "passed" ? undefined : results.get(name)?.cause;
  return new Map(results).set(name, cause === undefined ? result : { ...result, cause });
}

export function readRecord(file = RECORD): Results {
  return existsSync(file) ? parseResults(readFileSync(file, "utf8")) : new Map();
}

export function writeRecord(results: Results, file = RECORD, head = HEAD): void {
  writeFileSync(file, formatResults(results, head));
}
