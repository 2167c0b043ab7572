import { MUTANTS } from "./all.ts";
import type { Mutant } from "./mutant.ts";

/** The bugs that readers of lab 20 look for, in its order; by their numbers they have no names. */
export const PLANTED = [
  "acknowledges entries before they are durable",
  "keeps its own conflicting entries",
  "answers reads without a quorum",
  "votes for a log that is less up to date",
  "applies the last command again after a restart",
  "loses some events of a watch",
] as const;

/** Returns the bug of this number, from 1 on. Throws a RangeError if there is none. */
export function plantedBug(number: number): Mutant {
  const name = PLANTED[number - 1];
  const bug = MUTANTS.find((each) => each.name === name);
  if (name !== undefined && bug) return bug;
  throw new RangeError(`--planted is a number from 1 to ${PLANTED.length}, not ${number}`);
}
