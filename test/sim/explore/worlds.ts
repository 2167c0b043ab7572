import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Different worlds of a scenario, and paths followed to their end. */
export interface Counted {
  readonly worlds: number;
  readonly paths: number;
}

/** The whole of a scenario with at most one departure from the plain schedule, and with two. */
export interface Recorded {
  readonly scenario: string;
  readonly departures: readonly [Counted, Counted];
}

/** `npm run explore -- --record` writes it. */
export const WORLDS = join(import.meta.dirname, "worlds.json");

export const readWorlds = () => JSON.parse(readFileSync(WORLDS, "utf8")) as Recorded[];
