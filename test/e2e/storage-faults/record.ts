import { release } from "node:os";
import { PHASES } from "./points.ts";
import type { Outcome } from "./trials.ts";

/** The results of a whole run as text, a line for each case (`scripts/results.ts` reads it). */
export function recordOf(outcomes: readonly Outcome[], when: Date): string {
  const date = when.toISOString().slice(0, 10);
  const lines = [...outcomes].sort(byPhase).map(row);
  return [
    "# Written by `npm run storage-faults -- --record` on " +
      `${date}, Linux ${release().split("-")[0]}: faults, what was left or`,
    "# lost, and the point or the wrong answer.",
    ...lines,
    "",
  ].join("\n");
}

/** Phases in their order, answers after them. */
function byPhase(a: Outcome, b: Outcome): number {
  const [first, second] = [a, b].map(({ name }) => {
    const phase = PHASES.findIndex((each) => name.startsWith(`${each}: `));
    return phase < 0 ? PHASES.length : phase;
  });
  return first! - second! || (a.name < b.name ? -1 : 1);
}

function row({ name, faults, left, error }: Outcome): string {
  const what = [...left, ...(error === undefined ? [] : [error])].join(", ") || "nothing";
  return `${faults}  ${what.replaceAll("  ", " ")}  ${name}`;
}
