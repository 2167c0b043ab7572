import { ParseError } from "./issues.ts";
import { COMPILE_STEPS_MAX, PATTERN_SIZE_MAX } from "./limits.ts";
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
