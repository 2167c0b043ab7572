/** The errors of evaluations that several operations have. Texts are cel-go's. */
import { CodedError } from "@raft2kube/std/errors.ts";
import { ErrorValue } from "./value.ts";

export const error = (message: string): ErrorValue => new ErrorValue(message);

export const NO_OVERLOAD = error("no such overload");
export const INT_OVERFLOW = error("integer overflow");
export const UINT_OVERFLOW = error("unsigned integer overflow");
export const TIMESTAMP_OVERFLOW = error("timestamp overflow");
export const COST_EXCEEDED = error("operation cancelled: actual cost limit exceeded");

/**
 * An evaluation took more steps than its limit. Evaluating again in a worker thread with a larger
 * `stepsMax` gives the outcome, which the cost limit bounds.
 */
export class StepsExceededError extends CodedError {
  constructor(stepsMax: number) {
    super("CEL_STEPS", `evaluation took more than ${stepsMax} steps`, {
      remedy: "evaluate it in a worker thread with a larger stepsMax",
    });
  }
}
