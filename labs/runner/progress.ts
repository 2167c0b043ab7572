import type { Lab } from "./manifest.ts";
import type { LabState } from "./state.ts";

const BAR_CELLS = 20;

/** The labs of the two paths that are written, in the order in which they build on each other. */
const PATHS = {
  store: ["02", "03", "04", "05", "06"],
  cluster: ["00", "07a", "07b", "07c", "08", "09", "11", "12", "14", "16", "13", "17"],
} as const;

/** The next step of a reader: to continue a lab that is started, or to start the next one. */
export interface NextLab {
  readonly lab: Lab;
  readonly isStarted: boolean;
}

/**
 * The lab to continue: one that is started and has not passed, the newest first; else the first one
 * of the reader's path that is not started, then of the other path. Undefined when all have passed.
 */
export function nextLab(labs: readonly Lab[], state: LabState): NextLab | undefined {
  const exercises = labs.filter(({ files }) => files.length > 0);
  const started = exercises
    .filter(({ number }) => state.labs[number] && !state.labs[number].passedAt)
    .sort((a, b) => startOf(state, b).localeCompare(startOf(state, a)));
  if (started[0]) return { lab: started[0], isStarted: true };
  const order = isOnStorePath(state)
    ? [...PATHS.store, ...PATHS.cluster]
    : [...PATHS.cluster, ...PATHS.store];
  const rank = ({ number }: Lab) => {
    const at = (order as readonly string[]).indexOf(number);
    return at < 0 ? order.length : at;
  };
  const left = exercises.filter(({ number }) => !state.labs[number]);
  const [lab] = left.sort((a, b) => rank(a) - rank(b) || a.number.localeCompare(b.number));
  return lab && { lab, isStarted: false };
}

function startOf(state: LabState, { number }: Lab): string {
  return state.labs[number]?.startedAt ?? "";
}

/** A reader who has started nothing starts with the store: it needs no cluster. */
function isOnStorePath({ labs }: LabState): boolean {
  const numbers = Object.keys(labs);
  const last = numbers.sort((a, b) => labs[b]!.startedAt.localeCompare(labs[a]!.startedAt))[0];
  return last === undefined || (PATHS.store as readonly string[]).includes(last);
}

/** All exercises and those that have passed, as a bar: `███░░ 3 of 5 labs pass`. */
export function progressBar(labs: readonly Lab[], state: LabState): string {
  const exercises = labs.filter(({ files }) => files.length > 0);
  const passed = exercises.filter(({ number }) => state.labs[number]?.passedAt).length;
  const filled = Math.round((passed / Math.max(1, exercises.length)) * BAR_CELLS);
  const bar = "█".repeat(filled) + "░".repeat(BAR_CELLS - filled);
  return `${bar} ${passed} of ${exercises.length} labs pass`;
}
