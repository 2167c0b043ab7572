import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { begin, folder } from "../apiserver.ts";
import { median, type Range, type Row } from "../benchmark.ts";
import { makeCredentials } from "./credentials.ts";
import { creates, type Measurements, type Subject } from "./phases.ts";
import { oursOf, ROOT } from "./sides.ts";

const ROUNDS = 40;
/** Rounds that are not counted: V8 compiles meanwhile, and doubles the rate. */
const WARM_ROUNDS = 10;
const PODS_OF_ROUND = 400;

/** Measurements of the rounds that count, of the server with flags and of that without. */
export type Found = readonly Measurements[][];

/**
 * Two of our servers, one with the flags that `flagsIn` returns for a folder, create pods in turn,
 * the first of a round being the second of the next.
 */
export async function createInTurn(
  flagsIn: (dir: string) => Readonly<Record<string, string>>,
  rounds = ROUNDS,
): Promise<Found> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  const subjects: Subject[] = [];
  try {
    const credentials = await makeCredentials(join(dir, "pki"));
    const sides = [oursOf(ROOT, "ours", flagsIn(dir)), oursOf(ROOT, "peer")];
    for (const [at, side] of sides.entries()) {
      subjects.push(await begin(side, folder(dir, `${at}`), credentials));
    }
    const { run } = creates(rounds, 0, rounds * PODS_OF_ROUND, 1);
    const found: Measurements[][] = [[], []];
    for (let round = 0; round < rounds; round++) {
      for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const measured = await run(subjects[at]!, round);
        if (round >= WARM_ROUNDS) found[at]!.push(measured);
      }
    }
    return found;
  } finally {
    for (const { running } of subjects) await running.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A row of the medians, with and without the flags. */
export function rowInTurn(
  what: string,
  unit: string,
  key: string,
  goal: string,
  found: Found,
): Row {
  const [with_, without] = found.map((rounds) => rounds.map((each) => each[key]!));
  const range = (values: readonly number[]): Range => [Math.min(...values), Math.max(...values)];
  return {
    what,
    unit,
    ...(goal === "" ? {} : { goal }),
    ours: median(with_!),
    peer: { name: "without", value: median(without!) },
    ranges: { ours: range(with_!), peer: range(without!) },
  };
}
