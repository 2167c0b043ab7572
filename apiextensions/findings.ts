import type { FieldError } from "@raft2kube/api/errors.ts";
import { CHECKED_PLACES_MAX, ERRORS_MAX } from "./limits.ts";

/**
 * The errors that a check found, and how many rules a value met: of the alternatives of an `anyOf`,
 * the one that came nearest gives the errors. Fields are relative to the validated value.
 */
export class Findings {
  readonly errors: FieldError[] = [];
  matches = 0;
  /** Places that may still be checked, of the whole check. */
  readonly budget: { left: number };

  constructor(budget = { left: CHECKED_PLACES_MAX }) {
    this.budget = budget;
  }

  add(error: FieldError): void {
    if (this.errors.length < ERRORS_MAX) this.errors.push(error);
  }

  take(other: Findings): void {
    for (const error of other.errors) this.add(error);
    this.matches += other.matches;
  }
}
