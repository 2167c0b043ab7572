/** Environments: what an expression may refer to. Compiling in one gives a program. */
import type { Macro } from "./ast.ts";
import { CompileBudget } from "./budget.ts";
import { type Checked, check } from "./checker.ts";
import { Declarations, LibraryDeclarations } from "./declarations.ts";
import { type EstimateOptions, estimateCost } from "./estimate.ts";
import { COST_EXCEEDED } from "./failures.ts";
import { type CompileErrors, InstantiationError, Issues, ParseError } from "./issues.ts";
import type {
  CostModel,
  Library,
  Range,
  SizeEstimator,
  TypeProvider,
  Validator,
} from "./library.ts";
import { CHARACTER_STEPS, EVALUATION_STEPS_MAX } from "./limits.ts";
import { paying } from "./operations.ts";
import { macroKey, parse } from "./parser.ts";
import { type PlanOptions, plan } from "./planner.ts";
import { selectionsOf } from "./selections.ts";
import { STANDARD } from "./standard.ts";
import { CostExceededError, type Spent, State, type Step, type Variables } from "./state.ts";
import type { Type } from "./types.ts";
import { validate } from "./validators.ts";
import type { Outcome } from "./value.ts";

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
  /** Whether constant lists, maps and conversions are computed once, as Kubernetes has it. */
  readonly foldConstants?: boolean;
  /** Whether fields may be quoted by backticks, which Kubernetes does not allow. */
  readonly escapedFields?: boolean;
}

export interface EvaluateLimits {
  /** The cost above which the value is the error "actual cost limit exceeded". */
  readonly costMax?: number;
  /** Steps above which StepsExceededError is thrown; EVALUATION_STEPS_MAX unless given. */
  readonly stepsMax?: number;
  /** Steps of all evaluations that have one `stepsMax` together; of this one alone unless given. */
  readonly spent?: Spent;
}

export type Evaluation = { readonly value: Outcome; readonly cost: number; readonly steps: number };

export type Compiled =
  | { readonly program: Program; readonly errors?: undefined }
  | { readonly errors: CompileErrors; readonly program?: undefined };

const NO_SIZES: SizeEstimator = { estimateSize: () => undefined };

/** A compiled expression. */
export class Program {
  readonly text: string;
  /** The type of the result. */
  readonly type: Type;
  readonly #checked: Checked;
  readonly #options: EstimateOptions;
  readonly #step: Step;

  constructor(text: string, checked: Checked, options: EstimateOptions, step: Step) {
    this.text = text;
    this.#checked = checked;
    this.#options = options;
    this.type = checked.types.get(checked.expr.id)!;
    this.#step = step;
  }

  /** Throws StepsExceededError alone. */
  evaluate(variables: Variables, limits: EvaluateLimits = {}): Evaluation {
    const { costMax = Infinity, stepsMax = EVALUATION_STEPS_MAX, spent } = limits;
    const state = new State(variables, costMax, stepsMax, spent);
    try {
      const value = paying(
        (steps) => state.count(steps),
        () => this.#step(state),
      );
      return { value, cost: state.cost, steps: state.spent.steps };
    } catch (thrown) {
      if (!(thrown instanceof CostExceededError)) throw thrown;
      return { value: COST_EXCEEDED, cost: state.cost, steps: state.spent.steps };
    }
  }

  /** The fields that are selected anywhere: `{ variable: "claims", field: "email" }`. */
  get selections(): Iterable<{ readonly variable?: string; readonly field: string }> {
    return selectionsOf(this.#checked.expr);
  }

  /** The range of the cost, from the sizes of what the variables are. */
  estimateCost(sizes: SizeEstimator = NO_SIZES): Range {
    return estimateCost(this.#checked, sizes, this.#options);
  }
}

/** The declarations of libraries, which environments that have the same ones share. */
interface Shared {
  readonly declared: LibraryDeclarations;
  readonly macros: ReadonlyMap<string, Macro>;
  readonly validators: readonly Validator[];
}

function sharedOf(libraries: readonly Library[]): Shared {
  const all = [STANDARD, ...libraries];
  return {
    declared: new LibraryDeclarations(all),
    macros: new Map(
      all
        .flatMap(({ macros = [] }) => macros)
        .map((each) => [macroKey(each.name, each.arity, each.member), each]),
    ),
    validators: all.flatMap(({ validators = [] }) => validators),
  };
}

export class Environment {
  readonly #options: EnvironmentOptions;
  readonly #shared: Shared;
  readonly #declarations: Declarations;

  constructor(options: EnvironmentOptions = {}, shared = sharedOf(options.libraries ?? [])) {
    this.#options = options;
    this.#shared = shared;
    const { container = "", variables = {}, provider } = options;
    const names = new Map(Object.entries(variables));
    this.#declarations = new Declarations(container, names, shared.declared, provider);
  }

  /** This environment with more; later declarations of a variable replace earlier ones. */
  extend(options: EnvironmentOptions): Environment {
    const { variables, libraries = [] } = this.#options;
    const more = {
      ...this.#options,
      ...options,
      variables: { ...variables, ...options.variables },
      libraries: [...libraries, ...(options.libraries ?? [])],
    };
    return new Environment(more, options.libraries === undefined ? this.#shared : undefined);
  }

  /** Compiles an expression; those of one object, of which there are many, with one budget. */
  compile(text: string, budget = new CompileBudget()): Compiled {
    const issues = new Issues(text);
    try {
      budget.count(text.length * CHARACTER_STEPS);
      const checked = this.#check(text, issues, budget);
      if (checked !== undefined && issues.count === 0) this.#validate(checked, issues, budget);
      if (checked === undefined || issues.count > 0) return { errors: issues.report() };
      const options = this.#planOptions();
      return { program: new Program(text, checked, options, plan(checked, options)) };
    } catch (thrown) {
      if (thrown instanceof InstantiationError) {
        return { errors: { issues: [], message: thrown.message, isInstantiation: true } };
      }
      if (!(thrown instanceof ParseError)) throw thrown;
      issues.add(thrown.message, thrown.at);
      return { errors: issues.report() };
    }
  }

  #check(text: string, issues: Issues, budget: CompileBudget): Checked | undefined {
    const { escapedFields = false } = this.#options;
    const optionals = this.#declarations.findFunction("_?._") !== undefined;
    const options = { macros: this.#shared.macros, escapedFields, optionals, budget };
    const expr = parse(text, options, issues);
    if (issues.count > 0) return undefined;
    return check(expr, this.#declarations, issues, budget);
  }

  #validate(checked: Checked, issues: Issues, budget: CompileBudget): void {
    const { homogeneousLiterals = false } = this.#options;
    validate(checked, this.#shared.validators, homogeneousLiterals, issues, budget);
  }

  #planOptions(): PlanOptions {
    const { costs = {}, presenceTestCosts = true, foldConstants = false } = this.#options;
    return { costs, provider: this.#declarations.provider, presenceTestCosts, foldConstants };
  }
}
