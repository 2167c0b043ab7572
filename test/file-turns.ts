import { readFileSync } from "node:fs";
import { join } from "node:path";
import { guestsMissing } from "../cli/guest/kernel.ts";
import { inTurn } from "../testing/drawn.ts";

const ROOT = join(import.meta.dirname, "..");
/** A test file's comment that it takes turns with the others of an area, and why. */
const TAKES_TURNS = /^\/\/ Takes turns, (.+?): /m;
/** The import of a test file that boots a guest. */
const IN_GUEST = /from "(\.|.*\/guest)\/guest\.ts"/;

const textOf = (file: string) => readFileSync(join(ROOT, file), "utf8");

/** Returns the test files that take turns, by the areas that their comments name. */
export function areasOf(files: readonly string[]): Map<string, string[]> {
  const named = files.toSorted().flatMap((file) => {
    const [, area] = TAKES_TURNS.exec(textOf(file)) ?? [];
    return area === undefined ? [] : [{ area, file }];
  });
  const areas = Map.groupBy(named, ({ area }) => area);
  return new Map([...areas].map(([area, all]) => [area, all.map(({ file }) => file)]));
}

/**
 * Returns the test files whose turn it is not: of each area a run judges one that the machine can
 * run, with R2K_TURNS=all each.
 */
export function leftToOtherRuns(files: readonly string[]): string[] {
  const canRun = (file: string) => guestsMissing() === undefined || !IN_GUEST.test(textOf(file));
  return [...areasOf(files)].flatMap(([area, all]) => {
    const judged = inTurn(area, all, 1, canRun);
    return all.filter((file) => !judged.includes(file));
  });
}
