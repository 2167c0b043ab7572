import type { Lab } from "./manifest.ts";
import { pathOf } from "./paths-of-labs.ts";
import type { LabState } from "./state.ts";

const BAR_CELLS = 20;

/** The next step of a reader: to continue a lab that is started, or to start the next one. */
export type NextLab = { readonly lab: Lab; readonly isStarted: boolean };

/**
 * The lab to continue: the first of the reader's path that is started and has not passed; else the
 * first that is not started, then those of the other path. A reader who has started none reads the
 * tour. Undefined when all have passed.
 */
export function nextLab(labs: readonly Lab[], state: LabState): NextLab | undefined {
  const [own, other] = isOnStorePath(labs, state)
    ? (["store", "cluster"] as const)
    : (["cluster", "store"] as const);
  const order = [own, other, "small" as const].flatMap((path) => pathOf(labs, path));
  const isFirst = Object.keys(state.labs).length === 0;
  const left = order.filter(({ number, files, walk }) => {
    const isDone = state.labs[number]?.passedAt !== undefined;
    return (isFirst || files.length > 0 || walk !== undefined) && !isDone;
  });
  const started = left.find(({ number }) => state.labs[number]);
  if (started) return { lab: started, isStarted: true };
  return left[0] && { lab: left[0], isStarted: false };
}

/** Whether the reader's newest lab is one of the store's; without any the cluster's come first. */
function isOnStorePath(labs: readonly Lab[], state: LabState): boolean {
  const started = Object.entries(state.labs);
  const [last] = started.sort(([, a], [, b]) => b.startedAt.localeCompare(a.startedAt));
  return labs.find(({ number }) => number === last?.[0])?.path === "store";
}

/** All exercises and those that have passed, as a bar: `███░░ 3 of 5 labs pass`. */
export function progressBar(labs: readonly Lab[], state: LabState): string {
  const exercises = labs.filter(({ files, walk }) => files.length > 0 || walk !== undefined);
  const passed = exercises.filter(({ number }) => state.labs[number]?.passedAt).length;
  const filled = Math.round((passed / Math.max(1, exercises.length)) * BAR_CELLS);
  const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
  return `${bar} ${passed} of ${exercises.length} labs pass`;
}
