import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Script } from "./script.ts";

export const CASES_FOLDER = join(import.meta.dirname, "cases");

/**
 * A run that once failed, as small as the shrinker made it. It runs in every test, though a change
 * of the simulator makes another run of it; what it found has a test beside the code as well.
 */
export interface Case {
  /** The failure that it showed. */
  readonly found: string;
  readonly script: Script;
  /** The bug that it needs, when it is one that was put in; without it the run must be clean. */
  readonly mutant?: string;
  /** The number of that bug where it is one of lab 20's. */
  readonly planted?: number;
  /** The checker that detects that bug. */
  readonly checker?: string;
}

/** All cases under their names. */
export function readCases(): [name: string, found: Case][] {
  return readdirSync(CASES_FOLDER)
    .filter((file) => file.endsWith(".json"))
    .sort()
    .map((file) => [file.slice(0, -".json".length), readCase(join(CASES_FOLDER, file))]);
}

export const readCase = (path: string): Case => JSON.parse(readFileSync(path, "utf8")) as Case;

export function writeCase(path: string, found: Case): void {
  writeFileSync(path, `${JSON.stringify(found, undefined, 2)}\n`);
}
