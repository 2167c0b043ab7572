/** Environments: what an expression may refer to. Compiling in one gives a program. */
import type { CostModel, Library, Range, SizeEstimator, TypeProvider } from "./library.ts";
import type { Type } from "./types.ts";
import type { Outcome, Value } from "./value.ts";

export interface EnvironmentOptions {
  /** Variables by name, which may be qualified: `request.user`. */
  readonly variables?: Readonly<Record<string, Type>>;
  readonly libraries?: readonly Library[];
  readonly provider?: TypeProvider;
  /** The namespace in which names are looked up. */
  readonly container?: string;
  readonly costs?: CostModel;
  /** Whether literals of lists and maps that mix types are errors, as Kubernetes has it. */
  readonly homogeneousLiterals?: boolean;
  /** Whether `has()` costs 1; Kubernetes keeps 0. */
  readonly presenceTestCosts?: boolean;
}

/** An error of parsing or checking. */
export interface Issue {
  readonly message: string;
  /** The line, from 1. */
  readonly line: number;
  /** The column in code points, from 1. */
  readonly column: number;
}

export interface CompileErrors {
  readonly issues: readonly Issue[];
  /** All issues in cel-go's form, with the source and a caret. */
  readonly message: string;
}

export interface EvaluateLimits {
  /** The cost above which the value is the error "actual cost limit exceeded". */
  readonly costMax?: number;
  /** Steps above which StepsExceededError is thrown; EVALUATION_STEPS_MAX unless given. */
  readonly stepsMax?: number;
}

export interface Evaluation {
  readonly value: Outcome;
  readonly cost: number;
}

/** Values of variables; a function is called when the variable is first read, and then cached. */
export type Variables = Readonly<Record<string, Value | (() => Outcome)>>;

export interface Program {
  readonly text: string;
  /** The type of the result. */
  readonly type: Type;
  /** Throws StepsExceededError alone. */
  evaluate(variables: Variables, limits?: EvaluateLimits): Evaluation;
  estimateCost(sizes?: SizeEstimator): Range;
}

export type Compiled =
  | { readonly program: Program; readonly errors?: undefined }
  | { readonly errors: CompileErrors; readonly program?: undefined };

export interface Environment {
  /** This environment with more; later declarations of a variable replace earlier ones. */
  extend(options: EnvironmentOptions): Environment;
  compile(text: string): Compiled;
}
