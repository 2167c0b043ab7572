/** One thing that a lab asks of what the reader wrote. */
export interface Check {
  readonly title: string;
  /** Throws when it does not hold: the message says what happened, what was expected, and why. */
  readonly body: () => void | Promise<void>;
}

/** What a part that is still to be written throws, and nothing else. */
export const NOT_WRITTEN = /^lab \d\d: [\w-]+ is not written yet$/;

const registered: Check[] = [];

/** Registers a check; a lab's `*.check.ts` consists of these. They run in this order. */
export function check(title: string, body: Check["body"]): void {
  registered.push({ title, body });
}

let reportAlive: () => void = () => undefined;

/** Who wants to hear that a long check is still at work. */
export function onAlive(hear: () => void): void {
  reportAlive = hear;
}

/** Said by a check between its steps, so that it is not taken for a loop without end. */
export function stillAtWork(): void {
  reportAlive();
}

/** The checks of all files loaded so far. */
export function registeredChecks(): readonly Check[] {
  return registered;
}

/** How the checks are to be run: what `npm run lab check` was given. */
export interface CheckOptions {
  /** The lab's number, for what a failure tells to try. */
  readonly lab?: string | undefined;
  /** Part of the titles of those to run. */
  readonly only?: string | undefined;
  /** How often to run what depends on chance, each time from another seed. */
  readonly runs?: number | undefined;
  /** The first seed. */
  readonly seed?: number | undefined;
  /** The planted mistake that is judged, by its number. */
  readonly planted?: number | undefined;
}

/** The options as the runner hands them over. */
export function checkOptions(): CheckOptions {
  return JSON.parse(process.env["R2K_LAB_OPTIONS"] ?? "{}") as CheckOptions;
}
