/** The state of one evaluation: variables, and what it has spent. */
import { CodedError } from "@raft2kube/std/errors.ts";
import { error, StepsExceededError } from "./failures.ts";
import type { Outcome, Value } from "./value.ts";

/** Values of variables; a function is called when the variable is first read, and then cached. */
export type Variables = Readonly<Record<string, Value | (() => Outcome)>>;

/** Evaluates one node of a tree. */
export type Step = (state: State) => Outcome;

/** The cost limit was exceeded; the program turns it into the evaluation's value. */
export class CostExceededError extends CodedError {
  constructor() {
    super("CEL_COST", "operation cancelled: actual cost limit exceeded");
  }
}

/** The steps of one or several evaluations. */
export type Spent = { steps: number };

export class State {
  /** Values of iteration variables and accumulators, by the slots that the planner gave them. */
  readonly locals: (Outcome | undefined)[] = [];
  cost = 0;
  readonly #variables: Variables;
  readonly #computed = new Map<string, Outcome>();
  readonly #costMax: number;
  readonly #stepsMax: number;
  /** Steps counted so far, here and in other evaluations that share it. */
  readonly spent: Spent;

  constructor(
    variables: Variables,
    costMax: number,
    stepsMax: number,
    spent: Spent = { steps: 0 },
  ) {
    this.#variables = variables;
    this.#costMax = costMax;
    this.#stepsMax = stepsMax;
    this.spent = spent;
  }

  /** Adds to the cost. Throws CostExceededError above its limit. */
  spend(cost: number): void {
    this.cost += cost;
    if (this.cost > this.#costMax) throw new CostExceededError();
  }

  /** Counts steps. Throws StepsExceededError above their limit. */
  count(steps: number): void {
    this.spent.steps += steps;
    if (this.spent.steps > this.#stepsMax) throw new StepsExceededError(this.#stepsMax);
  }

  variable(name: string): Outcome {
    const known = this.#computed.get(name);
    if (known !== undefined) return known;
    const value = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined;
    if (value === undefined) return error(`no such attribute(s): ${name}`);
    if (typeof value !== "function") return value;
    const outcome = value();
    this.#computed.set(name, outcome);
    return outcome;
  }
}
