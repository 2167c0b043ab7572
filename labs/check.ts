/** One thing that a lab asks of what the reader wrote. */
export interface Check {
  readonly title: string;
  /** Throws when it does not hold: the message says what happened, what was expected, and why. */
  readonly body: () => void | Promise<void>;
}

const registered: Check[] = [];

/** Registers a check; a lab's `*.check.ts` consists of these. They run in this order. */
export function check(title: string, body: Check["body"]): void {
  registered.push({ title, body });
}

/** The checks of all files loaded so far. */
export function registeredChecks(): readonly Check[] {
  return registered;
}

/** How the checks are to be run: what `npm run lab check` was given. */
export interface CheckOptions {
  /** Part of the titles of those to run. */
  readonly only?: string | undefined;
  /** How often to run what depends on chance, each time from another seed. */
  readonly runs?: number | undefined;
  /** The first seed. */
  readonly seed?: number | undefined;
}

/** The options as the runner hands them over. */
export function checkOptions(): CheckOptions {
  return JSON.parse(process.env["R2K_LAB_OPTIONS"] ?? "{}") as CheckOptions;
}
