// `npm run storage-faults`: a volume with each of its components killed at each of its steps, and
// with each call of its driver answered in each wrong way.
//   --only TEXT       cases whose name contains it
//   --part K/N        every Nth case, from the Kth: several processes share the work
//   --outcomes FILE   keeps each outcome there, and passes over cases that it has
//   --record          writes docs/storage-faults.md, of all that FILE has
// It needs root. All it makes ends with it.
import { createHash } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@raft2kube/std/clock.ts";
import { recordOf } from "./record.ts";
import { isGood, nameOfCase, type Outcome, Trials } from "./trials.ts";

const RECORD = join(import.meta.dirname, "../../../docs/storage-faults.md");

const say = (line: string) => void process.stdout.write(`${line}\n`);

function read(file: string | undefined): Outcome[] {
  if (file === undefined || !existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Outcome);
}

/** Which part a case is of, by its name: the order of points differs from run to run. */
function partOf(name: string, parts: number): number {
  return createHash("sha256").update(name).digest().readUInt32LE() % parts + 1;
}

function describe({ name, faults, left, error }: Outcome): string {
  const found = [left.join(", ") || "nothing", ...(error === undefined ? [] : [error])];
  return [name, faults, ...found].join(" | ");
}

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      only: { ...text, default: "" }, part: { ...text, default: "1/1" }, outcomes: text,
      record: { type: "boolean", default: false },
    },
  });
  const [part = 1, parts = 1] = values.part.split("/").map(Number);
  const outcomes = read(values.outcomes);
  const known = new Set(outcomes.map(({ name }) => name));
  const trials = new Trials();
  try {
    const all = await trials.cases();
    const cases = all.filter((one) => {
      const name = nameOfCase(one);
      return name.includes(values.only) && !known.has(name) && partOf(name, parts) === part;
    });
    say(`${cases.length} cases of ${all.length}`);
    for (const [i, one] of cases.entries()) {
      const outcome = await trials.run(one);
      outcomes.push(outcome);
      say(`${i} ${describe(outcome)}`);
      if (values.outcomes) appendFileSync(values.outcomes, `${JSON.stringify(outcome)}\n`);
    }
  } finally {
    await trials.close();
  }
  if (values.record) writeFileSync(RECORD, recordOf(outcomes, new Date(systemClock().now())));
  const bad = outcomes.filter((outcome) => !isGood(outcome));
  for (const outcome of bad) say(describe(outcome));
  say(`${outcomes.length} cases, ${bad.length} with something left or lost`);
  return bad.length === 0 ? 0 : 1;
}

process.exitCode = await main();
