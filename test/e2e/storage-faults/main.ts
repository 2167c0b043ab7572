// `npm run storage-faults`: a volume with each of its components killed at each of its steps, and
// with each call of its driver answered in each wrong way.
//   --only TEXT       cases whose name contains it
//   --part K/N        every Nth case, from the Kth: several processes share the work
//   --outcomes FILE   keeps each outcome there, and passes over cases that it has
//   --record          writes results.txt, of all that FILE has
//   --cluster         instead, processes of a cluster of two nodes, chosen by --seed N, get SIGKILL
//                     while claims come and go, --rounds N times in each of four tracks
// It needs root. All it makes ends with it.
import { createHash, randomInt } from "node:crypto";
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "@raft2kube/std/clock.ts";
import { clusterFaults } from "./cluster/run.ts";
import { recordOf } from "./record.ts";
import { isGood, nameOfCase, type Outcome, Trials } from "./trials.ts";

const RECORD = join(import.meta.dirname, "results.txt");

const say = (line: string) => void process.stdout.write(`${line}\n`);

function read(file: string | undefined): Outcome[] {
  if (file === undefined || !existsSync(file)) return [];
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Outcome);
}

/** Which part a case is of, by its name: the order of points differs from run to run. */
function partOf(name: string, parts: number): number {
  return (createHash("sha256").update(name).digest().readUInt32LE() % parts) + 1;
}

function describe({ name, faults, left, error }: Outcome): string {
  const found = [left.join(", ") || "nothing", ...(error === undefined ? [] : [error])];
  return [name, faults, ...found].join(" | ");
}

/** Returns 1 if something was left or lost. */
async function cluster(rounds: number, seed: number): Promise<number> {
  say(`seed ${seed}`);
  const { claims, kills, ended, lost, left } = await clusterFaults({ rounds, seed, say });
  for (const [name, count] of [...kills].sort()) say(`${name} | ${count} kills`);
  for (const each of ended) say(each);
  for (const each of [...lost, ...left]) say(`LEFT OR LOST: ${each}`);
  const sum = [...kills.values()].reduce((one, other) => one + other, 0);
  say(`${claims} claims, ${sum} kills: ${lost.length} lost, ${left.length} left`);
  return lost.length + left.length === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    options: {
      only: { ...text, default: "" },
      part: { ...text, default: "1/1" },
      outcomes: text,
      record: { type: "boolean", default: false },
      cluster: { type: "boolean", default: false },
      rounds: { ...text, default: "8" },
      seed: text,
    },
  });
  if (values.cluster) {
    return cluster(Number(values.rounds), Number(values.seed ?? randomInt(2 ** 31)));
  }
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
