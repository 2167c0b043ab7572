import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Different states of a scenario, and paths followed to their end. */
export type Counted = { readonly states: number; readonly paths: number };

/** The whole of a scenario with at most one departure from the plain schedule, and with two. */
export interface Recorded {
  readonly scenario: string;
  readonly departures: readonly [Counted, Counted];
}

/** `npm run explore -- --record` writes it. */
export const STATES = join(import.meta.dirname, "states.json");

export const readStates = () => JSON.parse(readFileSync(STATES, "utf8")) as Recorded[];
