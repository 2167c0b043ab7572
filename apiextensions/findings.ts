import type { FieldError } from "@raft2kube/api/errors.ts";
import { CHECKED_PLACES_MAX, ERRORS_CHARACTERS_MAX, ERRORS_MAX } from "./limits.ts";

function charactersOf({ field, detail, value }: FieldError): number {
  return field.length + detail.length + (typeof value === "string" ? value.length : 0);
}

/** The first errors, as many as an answer names: a million of long paths do not fit memory. */
export function firstErrors(errors: readonly FieldError[]): FieldError[] {
  let characters = 0;
  const end = errors.findIndex((each, index) => {
    if (index >= ERRORS_MAX || characters >= ERRORS_CHARACTERS_MAX) return true;
    characters += charactersOf(each);
    return false;
  });
  return errors.slice(0, end === -1 ? errors.length : end);
}

/**
 * The errors that a check found, and how many rules a value met: of the alternatives of an `anyOf`,
 * the one that came nearest gives the errors. Fields are relative to the validated value.
 */
export class Findings {
  readonly errors: FieldError[] = [];
  #characters = 0;
  matches = 0;
  /** Places that may still be checked, of the whole check. */
  readonly budget: { left: number };

  constructor(budget = { left: CHECKED_PLACES_MAX }) {
    this.budget = budget;
  }

  /** Whether further errors are not named: their texts need not be made. */
  get isFull(): boolean {
    return this.errors.length >= ERRORS_MAX || this.#characters >= ERRORS_CHARACTERS_MAX;
  }

  add(error: FieldError): void {
    if (this.isFull) return;
    this.errors.push(error);
    this.#characters += charactersOf(error);
  }

  /** Drops the errors after the first `count`. */
  drop(count: number): void {
    for (const error of this.errors.splice(count)) this.#characters -= charactersOf(error);
  }

  take(other: Findings): void {
    for (const error of other.errors) this.add(error);
    this.matches += other.matches;
  }
}
