import type { Lab } from "./manifest.ts";
import type { LabState } from "./state.ts";

const BAR_CELLS = 20;

/** The labs of the two paths that are written, in the order in which they build on each other. */
export const PATHS = {
  store: ["02", "03", "04", "05", "06"],
  cluster: [
    "00", "01", "07a", "07b", "07c", "08", "09", "10", "11", "12", "13", "14", "16", "17", "18",
  ],
} as const;

/** The next step of a reader: to continue a lab that is started, or to start the next one. */
export interface NextLab {
  readonly lab: Lab;
  readonly isStarted: boolean;
}

/**
 * The lab to continue: the first of the reader's path that is started and has not passed; else the
 * first that is not started, then those of the other path. A reader who has started none reads the
 * tour. Undefined when all have passed.
 */
export function nextLab(labs: readonly Lab[], state: LabState): NextLab | undefined {
  const order: readonly string[] = isOnStorePath(state)
    ? [...PATHS.store, ...PATHS.cluster]
    : [...PATHS.cluster, ...PATHS.store];
  const rank = ({ number }: Lab) => {
    const at = order.indexOf(number);
    return at < 0 ? order.length : at;
  };
  const isFirst = Object.keys(state.labs).length === 0;
  const left = labs
    .filter(({ number, files }) => (isFirst || files.length > 0) && !state.labs[number]?.passedAt)
    .sort((a, b) => rank(a) - rank(b) || a.number.localeCompare(b.number));
  const started = left.find(({ number }) => state.labs[number]);
  if (started) return { lab: started, isStarted: true };
  return left[0] && { lab: left[0], isStarted: false };
}

/** Whether the reader's newest lab is one of the store's; without any the cluster's come first. */
function isOnStorePath({ labs }: LabState): boolean {
  const numbers = Object.keys(labs);
  const last = numbers.sort((a, b) => labs[b]!.startedAt.localeCompare(labs[a]!.startedAt))[0];
  return last !== undefined && (PATHS.store as readonly string[]).includes(last);
}

/** All exercises and those that have passed, as a bar: `███░░ 3 of 5 labs pass`. */
export function progressBar(labs: readonly Lab[], state: LabState): string {
  const exercises = labs.filter(({ files }) => files.length > 0);
  const passed = exercises.filter(({ number }) => state.labs[number]?.passedAt).length;
  const filled = Math.round((passed / Math.max(1, exercises.length)) * BAR_CELLS);
  const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
  return `${bar} ${passed} of ${exercises.length} labs pass`;
}
