import { median, type Range, type Row } from "../benchmark.ts";
import { creates, type Measurements, type Subject } from "./phases.ts";
import { oursOf, ROOT } from "./sides.ts";
import { withSubjects } from "./subjects.ts";

const ROUNDS = 40;
/** Rounds that are not counted: V8 compiles meanwhile, and doubles the rate. */
const WARM_ROUNDS = 10;
const PODS_OF_ROUND = 400;
/** The user of the second administrator in `createByTwo`. */
export const OTHER_ADMIN = "other-admin";

/** Measurements of the rounds that count, of the server with flags and of that without. */
export type Found = readonly Measurements[][];

type FlagsIn = (dir: string) => Readonly<Record<string, string>>;

/**
 * Two of our servers, one with the flags that `flagsIn` returns for a folder, create pods in turn,
 * the first of a round being the second of the next.
 */
export const createInTurn = (flagsIn: FlagsIn, rounds = ROUNDS): Promise<Found> =>
  inTurn(rounds, async (start) => [await start("ours", flagsIn), await start("peer")]);

/**
 * The same with two administrators of one server, whose policies act on the user `admin` alone:
 * both have its heap and its compiled code, in which two servers differ.
 */
export const createByTwo = (flagsIn: FlagsIn, rounds = ROUNDS): Promise<Found> =>
  inTurn(rounds, async (start) => {
    const one = await start("ours", flagsIn);
    const admin = await one.credentials.client(OTHER_ADMIN, "system:masters");
    return [one, { ...one, credentials: { ...one.credentials, admin } }];
  });

type Start = (as: "ours" | "peer", flagsIn?: FlagsIn) => Promise<Subject>;

const inTurn = (
  rounds: number,
  startAll: (start: Start) => Promise<readonly [with_: Subject, without: Subject]>,
): Promise<Found> =>
  withSubjects(async ({ dir, start }) => {
    const subjects = await startAll((as, flagsIn) => start(oursOf(ROOT, as, flagsIn?.(dir)), as));
    const pods = rounds * PODS_OF_ROUND;
    const phases = [creates(rounds, 0, pods, 1), creates(rounds, pods, 2 * pods, 1)];
    const found: Measurements[][] = [[], []];
    for (let round = 0; round < rounds; round++) {
      for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
        const measured = await phases[at]!.run(subjects[at]!, round);
        if (round >= WARM_ROUNDS) found[at]!.push(measured);
      }
    }
    return found;
  });

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
