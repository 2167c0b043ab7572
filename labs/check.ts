import { AsyncLocalStorage } from "node:async_hooks";

/** One requirement that a lab checks in the reader's code. */
export interface Check {
  readonly title: string;
  /** Throws if it is not met; the message has what happened, what was expected, and why. */
  readonly body: () => void | Promise<void>;
  /** Whether members play on a virtual clock: the check's failure has a diagram of messages. */
  readonly scenario: boolean;
  /** The reason why it cannot look here, with the remedy: it is left out, and does not pass. */
  readonly leftOut: string | undefined;
}

/** Reports how a check is treated; see `Check`. */
type CheckTraits = { readonly scenario?: boolean; readonly leftOut?: string | undefined };

/** How much a reader has to follow in a failed scenario's diagram. */
export type ScenarioSize = { readonly members: number; readonly lines: number };

/** The failure of a scenario, whose message has a diagram. */
export class ScenarioFailure extends Error {
  override readonly name = "Error";
  readonly size: ScenarioSize;

  constructor(message: string, size: ScenarioSize, cause: unknown) {
    super(message, { cause });
    this.size = size;
  }
}

/** Whether a diagram is simpler: it has fewer members, or as many and fewer lines. */
export function isSimpler(one: ScenarioSize, other: ScenarioSize): boolean {
  return one.members < other.members || (one.members === other.members && one.lines < other.lines);
}

/** The error of a part that is not written yet, also as another process reports it. */
export const NOT_WRITTEN = /\blab \d\d[a-z]?: [\w-]+ is not written yet\b/;

const registered: Check[] = [];

/** Registers a check; a lab's `*.check.ts` consists of these. They run in this order. */
export function check(title: string, body: Check["body"], traits: CheckTraits = {}): void {
  const { scenario = false, leftOut } = traits;
  registered.push({ title, body, scenario, leftOut });
}

let reportAlive: () => void = () => undefined;

/** Sets the callback of `stillAtWork`. */
export function onAlive(callback: () => void): void {
  reportAlive = callback;
}

/** A check under way; others may run beside it. */
export interface CheckRun {
  /** Called between two of its steps. */
  readonly stepEnded: () => void;
  /** The events that it waits for, the last one last. */
  readonly awaited: Set<string>;
}

const runs = new AsyncLocalStorage<CheckRun>();

/** Runs a check's body; the steps and waits of all that it calls are those of `run`. */
export function runBody(run: CheckRun, body: Check["body"]): void | Promise<void> {
  return runs.run(run, body);
}

/** Called by a long check between its steps, so that it is not killed as an endless loop. */
export function stillAtWork(): void {
  reportAlive();
  runs.getStore()?.stepEnded();
}

/** Names, while `work` is under way, the event that a check waits for. */
export async function awaiting<T>(event: string, work: Promise<T>): Promise<T> {
  const awaited = runs.getStore()?.awaited;
  awaited?.add(event);
  try {
    return await work;
  } finally {
    awaited?.delete(event);
  }
}

/** The checks of all files loaded so far. */
export const registeredChecks = (): readonly Check[] => registered;

/** The options of `npm run lab check`. */
export interface CheckOptions {
  /** The lab's number, for the command in a failure's message. */
  readonly lab?: string | undefined;
  /** Part of the titles of the checks to run. */
  readonly only?: string | undefined;
  /** How often a random check runs, each time from another seed. */
  readonly runs?: number | undefined;
  /** The first seed. */
  readonly seed?: number | undefined;
  /** The number of the planted mistake that is checked. */
  readonly planted?: number | undefined;
  /** Runs every check; by default the first failure that decides ends the run. */
  readonly all?: boolean | undefined;
  /** Leaves out every check that is not a scenario: a rule has failed already. */
  readonly scenariosOnly?: boolean | undefined;
  /** Loads the checks, reports their titles, and runs none. */
  readonly titlesOnly?: boolean | undefined;
  /** How many checks of a process run concurrently; 1 by default. */
  readonly atOnce?: number | undefined;
}

const counted = new Map<string, number>();

/** Counts what a lab's part has done in the checks, to compare it with the reference. */
export function countCost(what: string, count = 1): void {
  counted.set(what, (counted.get(what) ?? 0) + count);
}

export const countedCosts = (): Readonly<Record<string, number>> => Object.fromEntries(counted);

/** The command that repeats a random check with a seed, at the reader's part or the mistake. */
export function repeatCommand(title: string, seed: number, command = "check"): string {
  const { lab = "", planted } = checkOptions();
  const judged = planted === undefined ? lab : `${lab} --planted ${planted}`;
  return `./r2k lab ${command} ${judged} --only "${title}" --seed ${seed}`;
}

/** Returns the runner's options. */
export function checkOptions(): CheckOptions {
  return JSON.parse(process.env["R2K_LAB_OPTIONS"] ?? "{}") as CheckOptions;
}
