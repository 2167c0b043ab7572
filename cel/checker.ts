/** Infers the types of a tree and resolves its names and overloads. Source: cel-go's checker. */
import type { Call, Comprehension, Expr, ListExpr, MapExpr, Select, StructExpr } from "./ast.ts";
import type { CompileBudget } from "./budget.ts";
import type { Declarations, Name } from "./declarations.ts";
import type { Issues } from "./issues.ts";
import type { FunctionDeclaration, Overload } from "./library.ts";
import { NODE_STEPS } from "./limits.ts";
import {
  BOOL,
  BYTES,
  DOUBLE,
  DYN,
  ERROR,
  INT,
  listOf,
  mapOf,
  NULL,
  optionalOf,
  parameter,
  STRING,
  type Type,
  UINT,
} from "./types.ts";
import {
  Bindings,
  bounded,
  isDynOrError,
  mostGeneral,
  substitute,
  unwrapOptional,
} from "./unify.ts";

/** The name that a node refers to, or the overloads of a function that may be meant. */
export type Reference =
  | { readonly is: "name"; readonly name: Name }
  | {
      readonly is: "function";
      readonly name: string;
      readonly overloads: readonly Overload[];
      /** Whether the target is a part of the function's name, as in `math.least(1, 2)`. */
      readonly namespaced: boolean;
    };

/** A tree with the types and references of its nodes, by their ids. */
export interface Checked {
  readonly expr: Expr;
  readonly types: ReadonlyMap<number, Type>;
  readonly references: ReadonlyMap<number, Reference>;
}

/** Checks a tree; what is wrong goes to the issues. Throws ParseError when the budget is spent. */
export function check(
  expr: Expr,
  declarations: Declarations,
  issues: Issues,
  budget: CompileBudget,
): Checked {
  const checker = new Checker(declarations, issues, budget);
  checker.check(expr);
  return checker.checked(expr);
}

const LITERALS = {
  null: NULL,
  bool: BOOL,
  int: INT,
  uint: UINT,
  double: DOUBLE,
  string: STRING,
  bytes: BYTES,
} as const;

class Checker {
  readonly #declarations: Declarations;
  readonly #issues: Issues;
  readonly #types = new Map<number, Type>();
  readonly #references = new Map<number, Reference>();
  readonly #budget: CompileBudget;
  readonly #bindings: Bindings;
  #locals: ReadonlyMap<string, Type> = new Map();
  #freeCount = 0;

  constructor(declarations: Declarations, issues: Issues, budget: CompileBudget) {
    this.#declarations = declarations;
    this.#issues = issues;
    this.#budget = budget;
    this.#bindings = new Bindings(budget);
  }

  checked(expr: Expr): Checked {
    const types = new Map<number, Type>();
    for (const [id, type] of this.#types) types.set(id, substitute(this.#bindings, type, true));
    return { expr, types, references: this.#references };
  }

  check(expr: Expr): Type {
    this.#budget.count(NODE_STEPS);
    const type = bounded(this.#typeOf(expr));
    this.#types.set(expr.id, type);
    return type;
  }

  #typeOf(expr: Expr): Type {
    switch (expr.is) {
      case "literal":
        return LITERALS[expr.value.type];
      case "ident":
        return this.#named(expr, expr.name) ?? this.#undeclared(expr, expr.name);
      case "select":
        return this.#select(expr);
      case "call":
        return this.#call(expr);
      case "list":
        return this.#list(expr);
      case "map":
        return this.#map(expr);
      case "struct":
        return this.#struct(expr);
      case "comprehension":
        return this.#comprehension(expr);
      default:
        return expr satisfies never;
    }
  }

  #undeclared({ at }: { at: number }, name: string): Type {
    const container = this.#declarations.container;
    this.#issues.add(`undeclared reference to '${name}' (in container '${container}')`, at);
    return ERROR;
  }

  #named(expr: Expr, text: string): Type | undefined {
    const name = this.#declarations.findName(text, this.#locals);
    if (name === undefined) return undefined;
    this.#references.set(expr.id, { is: "name", name });
    return name.type;
  }

  #select(expr: Select): Type {
    const qualified = qualifiedName(expr);
    const named = qualified === undefined ? undefined : this.#named(expr, qualified);
    if (named !== undefined) return named;
    const type = this.#field(expr, expr.operand, expr.field, false);
    return expr.test ? BOOL : this.#bound(type);
  }

  #bound(type: Type): Type {
    return substitute(this.#bindings, type, false);
  }

  /** The type of an operand's field; of an optional operand, or if `optional`, an optional one. */
  #field(expr: Expr, operand: Expr, field: string, optional: boolean): Type {
    const [target, isOptional] = unwrapOptional(this.#bound(this.check(operand)));
    const type = this.#fieldType(expr, target, field);
    return isOptional || optional ? optionalOf(type) : type;
  }

  #fieldType(expr: Expr, target: Type, field: string): Type {
    switch (target.kind) {
      case "map":
        return target.parameters[1]!;
      case "struct": {
        const found = this.#declarations.findField(target.name, field);
        if (found === undefined) this.#issues.add(`undefined field '${field}'`, expr.at);
        return found?.type ?? ERROR;
      }
      case "parameter":
        this.#assign(DYN, target);
        return DYN;
      default:
        if (!isDynOrError(target)) {
          this.#issues.add(`type '${target}' does not support field selection`, expr.at);
        }
        return DYN;
    }
  }

  #call(expr: Call): Type {
    const { name, target, args } = expr;
    if (name === "_?._") return this.#optionalSelect(expr);
    const types = args.map((each) => this.check(each));
    if (target === undefined) {
      const found = this.#declarations.findFunction(name);
      return found === undefined ? this.#undeclared(expr, name) : this.#resolve(expr, found, types);
    }
    const prefix = qualifiedName(target);
    const namespaced =
      prefix === undefined ? undefined : this.#declarations.findFunction(`${prefix}.${name}`);
    if (namespaced !== undefined) return this.#resolve(expr, namespaced, types, true);
    const receiver = this.check(target);
    const found = this.#declarations.findFunction(name);
    return found === undefined
      ? this.#undeclared(expr, name)
      : this.#resolve(expr, found, [receiver, ...types]);
  }

  #optionalSelect(expr: Call): Type {
    const [operand, key] = expr.args;
    if (operand === undefined || key?.is !== "literal" || key.value.type !== "string") {
      this.#issues.add("unsupported optional field selection", expr.at);
      return ERROR;
    }
    this.#types.set(key.id, STRING);
    const found = this.#declarations.findFunction(expr.name);
    const reference = { is: "function", name: expr.name, namespaced: false } as const;
    this.#references.set(expr.id, { ...reference, overloads: found?.overloads ?? [] });
    return this.#bound(this.#field(expr, operand, key.value.value, true));
  }

  #resolve(
    expr: Call,
    { name, overloads }: FunctionDeclaration,
    types: readonly Type[],
    namespaced = false,
  ): Type {
    const isMember = expr.target !== undefined && !namespaced;
    const candidates = overloads.filter(({ member = false }) => member === isMember);
    if (name === "_&&_" || name === "_||_") return this.#logic(expr, candidates, types);
    const fitting: Overload[] = [];
    let result: Type | undefined;
    for (const overload of candidates) {
      const [argTypes, resultType] = this.#instantiate(overload);
      if (!this.#bindings.assign(types, argTypes)) continue;
      fitting.push(overload);
      const type = this.#bound(resultType);
      if (result === undefined) result = type;
      else if (result.kind !== "dyn" && !type.is(result)) result = DYN;
    }
    if (result === undefined) {
      const shown = types.map((each) => substitute(this.#bindings, each, true));
      const receiver = isMember ? `${shown.shift()}.` : "";
      const signature = `${receiver}(${shown.join(", ")})`;
      this.#issues.add(
        `found no matching overload for '${name}' applied to '${signature}'`,
        expr.at,
      );
      return ERROR;
    }
    this.#references.set(expr.id, { is: "function", name, overloads: fitting, namespaced });
    return result;
  }

  #logic(expr: Call, overloads: readonly Overload[], types: readonly Type[]): Type {
    const reference = { is: "function", name: expr.name, overloads, namespaced: false } as const;
    this.#references.set(expr.id, reference);
    const wrong = types.filter((each, index) => {
      const fits = this.#assign(each, BOOL);
      if (!fits) this.#mismatch(expr.args[index]!, BOOL, each);
      return !fits;
    });
    return wrong.length === 0 ? BOOL : ERROR;
  }

  /** An overload's types with fresh type parameters. */
  #instantiate({ args, result }: Overload): readonly [readonly Type[], Type] {
    const fresh = new Bindings(this.#budget);
    const rename = (type: Type): void => {
      if (type.kind === "parameter" && !fresh.has(type.name)) fresh.set(type.name, this.#free());
      type.parameters.forEach(rename);
    };
    [...args, result].forEach(rename);
    if (fresh.size === 0) return [args, result];
    return [args.map((each) => substitute(fresh, each, false)), substitute(fresh, result, false)];
  }

  #free(): Type {
    return parameter(`_var${this.#freeCount++}`);
  }

  #list({ items }: ListExpr): Type {
    let joined: Type | undefined;
    for (const { value, optional } of items) {
      joined = this.#join(joined, this.#element(value, optional));
    }
    return listOf(joined ?? this.#free());
  }

  #map({ entries }: MapExpr): Type {
    let keys: Type | undefined;
    let values: Type | undefined;
    for (const { key, value, optional } of entries) {
      keys = this.#join(keys, this.check(key));
      values = this.#join(values, this.#element(value, optional));
    }
    return mapOf(keys ?? this.#free(), values ?? this.#free());
  }

  /** The type of an element, within its optional if it is given as one. */
  #element(value: Expr, optional: boolean): Type {
    const type = this.check(value);
    if (!optional) return type;
    const [inner, isOptional] = unwrapOptional(type);
    if (!isOptional && inner.kind !== "dyn") this.#mismatch(value, optionalOf(inner), inner);
    return inner;
  }

  #join(previous: Type | undefined, current: Type): Type {
    if (previous === undefined) return current;
    return this.#assign(previous, current) ? mostGeneral(previous, current) : DYN;
  }

  #struct(expr: StructExpr): Type {
    const name = this.#declarations.findName(expr.name, this.#locals);
    if (name === undefined) return this.#undeclared(expr, expr.name);
    this.#references.set(expr.id, { is: "name", name });
    const type = this.#messageType(expr, name);
    for (const { name: field, value, optional, at } of expr.fields) {
      const valueType = this.#element(value, optional);
      const declared = this.#declarations.findField(type.name, field);
      if (declared === undefined) this.#issues.add(`undefined field '${field}'`, at);
      if (declared === undefined || this.#assign(declared.type, valueType)) continue;
      this.#issues.add(
        `expected type of field '${field}' is '${declared.type}' but provided ` +
          `type is '${this.#bound(valueType)}'`,
        at,
      );
    }
    return type;
  }

  #messageType(expr: StructExpr, { name, type }: Name): Type {
    const made = type.kind === "type" ? type.parameters[0] : undefined;
    if (made?.kind === "struct") return made;
    const what = type.kind === "type" ? "a message type" : "a type";
    this.#issues.add(`'${made?.toString() ?? name}' is not ${what}`, expr.at);
    return ERROR;
  }

  #comprehension(expr: Comprehension): Type {
    this.check(expr.range);
    const accumulator = this.check(expr.initial);
    const [first, second] = this.#rangeTypes(expr);
    const outer = this.#locals;
    this.#locals = new Map(outer).set(expr.accumulator, accumulator);
    const within = this.#locals;
    this.#locals = new Map(within).set(expr.variable, first);
    if (expr.variable2 !== undefined) {
      this.#locals = new Map(this.#locals).set(expr.variable2, second);
    }
    this.check(expr.condition);
    this.#require(expr.condition, BOOL);
    this.check(expr.step);
    this.#require(expr.step, accumulator);
    this.#locals = within;
    const result = this.check(expr.result);
    this.#locals = outer;
    return this.#bound(result);
  }

  /** The types of the iteration variables. */
  #rangeTypes({ range, variable2 }: Comprehension): readonly [Type, Type] {
    const type = this.#bound(this.#types.get(range.id)!);
    switch (type.kind) {
      case "list": {
        const item = type.parameters[0]!;
        return variable2 === undefined ? [item, item] : [INT, item];
      }
      case "map":
        return [type.parameters[0]!, type.parameters[1]!];
      case "dyn":
      case "error":
      case "parameter":
        this.#assign(DYN, type);
        return [DYN, DYN];
      default:
        this.#issues.add(
          `expression of type '${type}' cannot be range of a comprehension ` +
            "(must be list, map, or dynamic)",
          range.at,
        );
        return [ERROR, ERROR];
    }
  }

  #assign(from: Type, to: Type): boolean {
    return this.#bindings.assign([from], [to]);
  }

  #require(expr: Expr, type: Type): void {
    const actual = this.#types.get(expr.id)!;
    if (!this.#assign(type, actual)) this.#mismatch(expr, type, actual);
  }

  #mismatch({ at }: Expr, expected: Type, actual: Type): void {
    this.#issues.add(`expected type '${expected}' but found '${actual}'`, at);
  }
}

/** `a.b.c` for selections of names; undefined for other expressions. */
function qualifiedName(expr: Expr): string | undefined {
  if (expr.is === "ident") return expr.name;
  if (expr.is !== "select" || expr.test) return undefined;
  const prefix = qualifiedName(expr.operand);
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`;
}
