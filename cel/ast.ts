/** Syntax trees. Macros are expanded while parsing, so that a tree has comprehensions for them. */

interface Node {
  /** Unique in a tree, except that a macro may use an argument twice. */
  readonly id: number;
  /** Where the node is in the text, in UTF-16 units. */
  readonly at: number;
}

export interface Literal extends Node {
  readonly is: "literal";
  readonly value: LiteralValue;
}

export type LiteralValue =
  | { readonly type: "null" }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "int"; readonly value: bigint }
  | { readonly type: "uint"; readonly value: bigint }
  | { readonly type: "double"; readonly value: number }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "bytes"; readonly value: Uint8Array };

export interface Ident extends Node {
  readonly is: "ident";
  /** The name; an absolute one has a leading dot. */
  readonly name: string;
}

export interface Select extends Node {
  readonly is: "select";
  readonly operand: Expr;
  readonly field: string;
  /** Whether the field's presence is asked for: `has(a.b)`. */
  readonly test: boolean;
}

/** A function or an operator, which has upstream's name: `_+_`, `_[_]`, `_?_:_`, `@in`. */
export interface Call extends Node {
  readonly is: "call";
  readonly name: string;
  readonly target?: Expr;
  readonly args: readonly Expr[];
}

export interface ListExpr extends Node {
  readonly is: "list";
  readonly items: readonly { readonly value: Expr; readonly optional: boolean }[];
}

export interface Entry extends Node {
  readonly key: Expr;
  readonly value: Expr;
  readonly optional: boolean;
}

export interface MapExpr extends Node {
  readonly is: "map";
  readonly entries: readonly Entry[];
}

export interface FieldInit extends Node {
  readonly name: string;
  readonly value: Expr;
  readonly optional: boolean;
}

/** Construction of a message: `Object.spec{replicas: 1}`. */
export interface StructExpr extends Node {
  readonly is: "struct";
  readonly name: string;
  readonly fields: readonly FieldInit[];
}

/** A fold over a list's items or a map's keys (with `variable2`, indexes or keys, and values). */
export interface Comprehension extends Node {
  readonly is: "comprehension";
  readonly variable: string;
  readonly variable2?: string;
  readonly range: Expr;
  readonly accumulator: string;
  readonly initial: Expr;
  readonly condition: Expr;
  readonly step: Expr;
  readonly result: Expr;
}

export type Expr =
  | Literal
  | Ident
  | Select
  | Call
  | ListExpr
  | MapExpr
  | StructExpr
  | Comprehension;

/** The variable in which macros accumulate. */
export const ACCUMULATOR = "__result__";

/** Makes nodes for a macro's expansion, at the macro's place. */
export interface Maker {
  literal(value: LiteralValue): Expr;
  ident(name: string): Expr;
  select(operand: Expr, field: string): Expr;
  call(name: string, ...args: Expr[]): Expr;
  method(name: string, target: Expr, ...args: Expr[]): Expr;
  list(...items: Expr[]): Expr;
  map(...entries: (readonly [Expr, Expr])[]): Expr;
  /** The presence test of a selection. */
  test(select: Select): Expr;
  fold(parts: Omit<Comprehension, "id" | "at" | "is">): Expr;
  /** Makes a copy of a tree with ids of its own. */
  copy(expr: Expr): Expr;
  /** Reports an error at a node, or at the macro. */
  fail(message: string, node?: Expr): never;
}

/** A call that the parser replaces. `expand` returns undefined to leave the call as it is. */
export interface Macro {
  readonly name: string;
  /** Whether it is called on a receiver: `list.all(x, p)`. */
  readonly member: boolean;
  readonly arity: number;
  expand(maker: Maker, args: readonly Expr[], target: Expr | undefined): Expr | undefined;
}
