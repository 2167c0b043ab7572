/** How a library declares functions, macros, types, and what calls of them cost. */
import type { Call, Expr, Macro } from "./ast.ts";
import type { CompileBudget } from "./budget.ts";
import type { Type } from "./types.ts";
import type { Outcome, Value } from "./value.ts";

/** A range of sizes or costs. Additions and products saturate at `UNBOUNDED`. */
export type Range = { readonly min: bigint; readonly max: bigint };

/** The largest size or cost: 2^64 - 1. */
export const UNBOUNDED = 0xffff_ffff_ffff_ffffn;

/** A node as estimators see it (upstream's `AstNode`). */
export interface CostNode {
  /**
   * The path from a variable: names of fields, `@items`, `@indices`, `@keys`, `@values`; undefined
   * for values that no declaration reaches.
   */
  readonly path?: readonly string[];
  readonly type: Type;
  readonly expr?: Expr;
  /** The size that follows from the expression itself. */
  readonly computedSize?: Range;
}

/** The estimated cost of a call without its arguments' and, if known, its result's size. */
export type CallEstimate = { readonly cost: Range; readonly resultSize?: Range };

/** Sizes of values that an expression only refers to: from a schema's maxLength and the like. */
export interface SizeEstimator {
  estimateSize(node: CostNode): Range | undefined;
}

/** A function's costs that depend on its name alone (upstream's `CostEstimator`). */
export interface CostModel {
  /** The cost of a call that was made; undefined for cel-go's own. */
  callCost?(
    name: string,
    overload: string,
    args: readonly Value[],
    result: Outcome,
  ): number | undefined;
  /** The estimate of a call; undefined for cel-go's own. Args are without the target. */
  estimateCall?(
    name: string,
    overload: string,
    target: CostNode | undefined,
    args: readonly CostNode[],
    sizes: SizeEstimator,
  ): CallEstimate | undefined;
}

export interface Overload {
  /** Upstream's overload id: errors and costs go by it. */
  readonly id: string;
  /** Whether it is called on a receiver, which is then the first of `args`. */
  readonly member?: boolean;
  readonly args: readonly Type[];
  readonly result: Type;
  /**
   * Computes the result. Arguments are of the declared types (`dyn` and parameters: any), and no
   * errors unless `nonStrict`.
   */
  readonly call: (...args: never[]) => Outcome;
  /** Whether errors are passed as arguments, as ErrorValue. */
  readonly nonStrict?: boolean;
  /**
   * Steps that a call takes beyond one, counted before it is made. A call without it takes as many
   * as it costs, counted after it.
   */
  readonly steps?: (args: readonly Value[]) => number;
  /** The cost of a call that was made; goes before the cost model's. */
  readonly cost?: (args: readonly Value[], result: Outcome) => number | undefined;
  /** The estimate; goes before the cost model's. */
  readonly estimate?: (
    target: CostNode | undefined,
    args: readonly CostNode[],
    sizes: SizeEstimator,
  ) => CallEstimate | undefined;
}

export interface FunctionDeclaration {
  /** The name with its namespace: `size`, `sets.contains`, `_+_`. */
  readonly name: string;
  readonly overloads: readonly Overload[];
}

export interface Library {
  readonly name: string;
  readonly functions?: readonly FunctionDeclaration[];
  readonly macros?: readonly Macro[];
  /** Types whose names are values: `net.IP`. */
  readonly types?: readonly Type[];
  /** Constants by their qualified name. */
  readonly constants?: Readonly<Record<string, { readonly type: Type; readonly value: Value }>>;
  /** Rules about checked trees that an environment applies, such as valid literals. */
  readonly validators?: readonly Validator[];
}

/** The expression that a rule about calls is applied to. */
export interface Validation {
  typeOf(expr: Expr): Type;
  report(message: string, at: Expr): void;
  readonly budget: CompileBudget;
}

/** A rule about calls of well-typed expressions. */
export interface Validator {
  /** The names of the functions that it looks at: `matches`, `duration`. */
  readonly functions: readonly string[];
  /** Reports what is wrong with a call, at a part of it. */
  check(call: Call, validation: Validation): void;
}

/** A field of an object. */
export interface FieldDeclaration {
  readonly type: Type;
  /** The property of the JSON object that it reads; the field's own name unless given. */
  readonly property?: string;
  /** Wraps the property's value, where its type alone does not say how: for sets and maps. */
  readonly wrap?: (json: unknown) => Value;
}

/** Objects with declared fields, as schemas and messages have them. */
export interface TypeProvider {
  /** A type by its qualified name; undefined when the provider does not know it. */
  findType(name: string): Type | undefined;
  findField(type: string, field: string): FieldDeclaration | undefined;
  /** The field that reads a property; the property's own name unless given. */
  fieldOf?(type: string, property: string): string | undefined;
  /** Makes a message of fields whose types were checked; undefined: not to be constructed. */
  construct?(type: string, fields: ReadonlyMap<string, Value>): Outcome;
}
