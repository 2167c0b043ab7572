import { StepsExceededError } from "./failures.ts";
import { ParseError } from "./issues.ts";
import {
  COMPILE_STEPS_MAX,
  PATTERN_SIZE_MAX,
  QUICK_COMPILE_STEPS_MAX,
  QUICK_PATTERN_SIZE_MAX,
} from "./limits.ts";
import { patternWork } from "./pattern-work.ts";
import { compileRegex } from "./regex.ts";

/** Bounds what compiling an expression takes, or several that one object has. */
export class CompileBudget {
  readonly #stepsMax: number;
  #steps = 0;
  #patternSizes = 0;

  constructor(stepsMax = COMPILE_STEPS_MAX) {
    this.#stepsMax = stepsMax;
  }

  /** Whether any further expression is too large. */
  get isSpent(): boolean {
    return this.#steps > this.#stepsMax || this.#patternSizes > PATTERN_SIZE_MAX;
  }

  /** Counts steps. Throws ParseError when too many were taken. */
  count(steps: number): void {
    countCompiling(steps);
    this.#steps += steps;
    if (this.#steps > this.#stepsMax) throw tooLarge("its types are");
  }

  /**
   * Returns an error of a pattern, which stays compiled. The size counts each time, so that the
   * answer does not depend on what was compiled before. Throws ParseError when the patterns are too
   * large together.
   */
  patternError(pattern: string): string | undefined {
    const { size } = patternWork(pattern);
    countCompiling(0, size);
    // One that is too large is not compiled.
    if (size <= PATTERN_SIZE_MAX) this.#patternSizes += size;
    if (this.#patternSizes > PATTERN_SIZE_MAX) throw tooLarge("its patterns are");
    const compiled = compileRegex(pattern);
    return typeof compiled === "string" ? compiled : undefined;
  }
}

function tooLarge(why: string): ParseError {
  return new ParseError(`expression is too large: ${why}`, undefined);
}

/** Steps, and sizes of patterns, that were taken on the event loop. */
type Quick = { steps: number; sizes: number };

let quick: Quick | undefined;

/**
 * Runs what may compile expressions. With `quickly`, as on the event loop, throws
 * StepsExceededError where all of them together take too long there.
 */
export function compiling<T>(quickly: boolean, run: () => T): T {
  const outer = quick;
  quick = quickly ? { steps: 0, sizes: 0 } : undefined;
  try {
    return run();
  } finally {
    quick = outer;
  }
}

/** Counts steps of compiling, and of what prepares it. Throws StepsExceededError. */
export function countCompiling(steps: number, size = 0): void {
  if (quick === undefined) return;
  quick.steps += steps;
  quick.sizes += size;
  if (quick.steps > QUICK_COMPILE_STEPS_MAX || quick.sizes > QUICK_PATTERN_SIZE_MAX) {
    throw new StepsExceededError(QUICK_COMPILE_STEPS_MAX);
  }
}

/** Something that is compiled when it is first needed, on the event loop only if that is quick. */
export class CompiledLater<T extends object> {
  readonly #compile: () => T;
  #compiled: T | undefined;
  #isLarge = false;

  constructor(compile: () => T) {
    this.#compile = compile;
  }

  /** Throws StepsExceededError with `quickly`. */
  get(quickly: boolean): T {
    if (this.#compiled !== undefined) return this.#compiled;
    if (quickly && this.#isLarge) throw new StepsExceededError(QUICK_COMPILE_STEPS_MAX);
    try {
      this.#compiled = compiling(quickly, this.#compile);
      return this.#compiled;
    } catch (thrown) {
      this.#isLarge ||= thrown instanceof StepsExceededError;
      throw thrown;
    }
  }

  /** Frees what was compiled. */
  forget(): void {
    this.#compiled = undefined;
  }
}
