/** Compiles a checked tree to closures. Source of order and cost: cel-go's interpreter. */
import type { Call, Comprehension, Expr, LiteralValue, StructExpr } from "./ast.ts";
import { type Attribute, type Qualifier, qualified, resolver } from "./attributes.ts";
import { invoke } from "./calls.ts";
import type { Checked, Reference } from "./checker.ts";
import { TableMap } from "./collections.ts";
import { LIST_COST, MAP_COST, SELECT_COST, STRUCT_COST } from "./cost-factors.ts";
import { error, NO_OVERLOAD } from "./failures.ts";
import { foldStep } from "./folds.ts";
import { InstantiationError } from "./issues.ts";
import type { CostModel, TypeProvider } from "./library.ts";
import { equals } from "./operations.ts";
import { equalityCost } from "./runtime-cost.ts";
import { State, type Step } from "./state.ts";
import {
  ArrayList,
  isError,
  ListValue,
  OptionalValue,
  type Outcome,
  Uint,
  type Value,
} from "./value.ts";

export interface PlanOptions {
  readonly costs: CostModel;
  readonly provider: TypeProvider | undefined;
  readonly presenceTestCosts: boolean;
  /** Whether constant lists, maps and conversions are computed once, as Kubernetes has it. */
  readonly foldConstants: boolean;
}

/** A planned node. Attributes may be qualified further; constants cost nothing. */
type Plan = { readonly step: Step; readonly attribute?: Attribute; readonly constant?: Value };

/** Plans a tree without issues. Throws InstantiationError for a constant conversion that fails. */
export function plan(checked: Checked, options: PlanOptions): Step {
  return new Planner(checked, options).plan(checked.expr).step;
}

const CONVERSIONS = new Set([
  "bool",
  "bytes",
  "double",
  "dyn",
  "duration",
  "int",
  "string",
  "timestamp",
  "type",
  "uint",
]);

class Planner {
  readonly #checked: Checked;
  readonly #options: PlanOptions;
  #scope: ReadonlyMap<string, Step> = new Map();
  #slots = 0;

  constructor(checked: Checked, options: PlanOptions) {
    this.#checked = checked;
    this.#options = options;
  }

  plan(expr: Expr): Plan {
    const reference = this.#checked.references.get(expr.id);
    if (reference?.is === "name" && expr.is !== "struct") return this.#name(reference);
    switch (expr.is) {
      case "literal":
        return constant(literalValue(expr.value));
      case "ident":
        return attributePlan(path(() => error(`no such attribute(s): ${expr.name}`)));
      case "select":
        return this.#select(expr.operand, { key: expr.field, optional: false, test: expr.test });
      case "call":
        return this.#call(expr, reference);
      case "list":
        return this.#list(expr.items);
      case "map":
        return this.#map(expr.entries);
      case "struct":
        return this.#struct(expr);
      case "comprehension":
        return this.#fold(expr);
      default:
        return expr satisfies never;
    }
  }

  #name({ name: { name, value } }: Reference & { is: "name" }): Plan {
    if (value !== undefined) return constant(value);
    return attributePlan(path(this.#scope.get(name) ?? ((state) => state.variable(name))));
  }

  #select(operand: Expr, qualifier: Qualifier): Plan {
    const attribute = qualified(attributeOf(this.plan(operand)), qualifier);
    return qualifier.test ? this.#test(attribute) : attributePlan(attribute);
  }

  /** A presence test: it counts as an attribute only where presence tests cost. */
  #test(attribute: Attribute): Plan {
    const resolve = resolver(attribute);
    const cost =
      (attribute.is === "path" ? SELECT_COST : 0) -
      (this.#options.presenceTestCosts ? 0 : SELECT_COST);
    const step: Step = (state) => {
      const value = resolve(state);
      state.spend(cost);
      return value instanceof OptionalValue ? value.value !== undefined : value;
    };
    return { step, attribute: path(resolve) };
  }

  #call(expr: Call, reference: Reference | undefined): Plan {
    if (reference?.is !== "function") throw new TypeError(`cel: ${expr.name} was not resolved`);
    const { name, namespaced, overloads } = reference;
    const operands =
      expr.target === undefined || namespaced ? expr.args : [expr.target, ...expr.args];
    const plans = operands.map((each) => this.plan(each));
    const steps = plans.map(({ step }) => step);
    switch (name) {
      case "_&&_":
        return { step: logic(steps, false) };
      case "_||_":
        return { step: logic(steps, true) };
      case "_?_:_":
        return choice(plans);
      case "_==_":
      case "_!=_":
        return { step: this.#equality(steps, name === "_==_") };
      case "_[_]":
      case "_[?_]":
      case "_?._":
        return index(plans, name !== "_[_]");
      default:
    }
    const id = overloads.length === 1 ? overloads[0]!.id : "";
    if (id === "optional_or_optional" || id === "optional_orValue_value") {
      return { step: optionalOr(steps, id === "optional_orValue_value") };
    }
    const call = invoke({ name, overloads, args: steps, costs: this.#options.costs });
    return this.#folded(name, id, plans, call) ?? { step: call };
  }

  /** A conversion of a constant is one too; `x in [constants]` is a look-up without cost. */
  #folded(name: string, id: string, plans: readonly Plan[], call: Step): Plan | undefined {
    if (!this.#options.foldConstants) return undefined;
    const last = plans.at(-1)?.constant;
    if (plans.length === 1 && last !== undefined && CONVERSIONS.has(name)) {
      const value = call(new State({}, Infinity, Infinity));
      if (isError(value)) throw new InstantiationError(value.message);
      return constant(value);
    }
    if (id !== "in_list" || !(last instanceof ListValue)) return undefined;
    if (last.size === 0) return constant(false);
    const items = [...last];
    if (!items.every(isPrimitive)) return undefined;
    const table = TableMap.of(items.map((each) => [each, true]))!;
    const sought = plans[0]!.step;
    return {
      step: (state) => {
        const value = sought(state);
        return isError(value) ? value : table.get(value) !== undefined;
      },
    };
  }

  #equality([left, right]: readonly Step[], isEqual: boolean): Step {
    const { costs } = this.#options;
    return (state) => {
      state.count(1);
      const a = left!(state);
      const b = right!(state);
      const result = isError(a) ? a : isError(b) ? b : equals(a, b) === isEqual;
      const cost = equalityCost(isEqual, costs, [a, b], result);
      state.spend(cost);
      state.count(cost);
      return result;
    };
  }

  #list(items: readonly { readonly value: Expr; readonly optional: boolean }[]): Plan {
    const plans = items.map(({ value, optional }) => ({ ...this.plan(value), optional }));
    const constants = this.#constants(plans);
    if (constants !== undefined) return constant(new ArrayList(constants));
    const build = (state: State): Outcome => {
      const values: Value[] = [];
      for (const { step, optional } of plans) {
        const value = element(step(state), optional, "list element");
        if (isError(value as Outcome)) return value!;
        if (value !== undefined) values.push(value as Value);
      }
      return new ArrayList(values);
    };
    return { step: constructing(build, LIST_COST) };
  }

  /** The values of parts that are all constant. */
  #constants(plans: readonly Plan[]): Value[] | undefined {
    const values = plans.flatMap(({ constant: value }) => (value === undefined ? [] : [value]));
    return this.#options.foldConstants && values.length === plans.length ? values : undefined;
  }

  #map(entries: readonly { key: Expr; value: Expr; optional: boolean }[]): Plan {
    const plans = entries.map(({ key, value, optional }) => ({
      key: this.plan(key),
      value: this.plan(value),
      optional,
    }));
    const build = (state: State): Outcome => {
      const cells: [Value, Value][] = [];
      for (const { key, value, optional } of plans) {
        const name = key.step(state);
        if (isError(name)) return name;
        const content = element(value.step(state), optional, "entry");
        if (isError(content as Outcome)) return content!;
        if (content !== undefined) cells.push([name, content as Value]);
      }
      return TableMap.of(cells) ?? error("unsupported key type");
    };
    if (this.#constants(plans.flatMap(({ key, value }) => [key, value])) !== undefined) {
      const value = build(new State({}, Infinity, Infinity));
      if (!isError(value)) return constant(value);
    }
    return { step: constructing(build, MAP_COST) };
  }

  #struct(expr: StructExpr): Plan {
    const fields = expr.fields.map(({ name, value, optional }) => ({
      name,
      step: this.plan(value).step,
      optional,
    }));
    const type = this.#checked.types.get(expr.id)!.name;
    const { provider } = this.#options;
    const build = (state: State): Outcome => {
      const values = new Map<string, Value>();
      for (const { name, step, optional } of fields) {
        const value = element(step(state), optional, "entry");
        if (isError(value as Outcome)) return value!;
        if (value !== undefined) values.set(name, value as Value);
      }
      return provider?.construct?.(type, values) ?? error(`unknown type: ${type}`);
    };
    return { step: constructing(build, STRUCT_COST) };
  }

  #fold(expr: Comprehension): Plan {
    const range = this.plan(expr.range).step;
    const initial = this.plan(expr.initial).step;
    const outer = this.#scope;
    const accumulator = this.#slots++;
    const within = new Map(outer).set(
      expr.accumulator,
      (state: State) => (state.locals[accumulator] ??= initial(state)),
    );
    const inner = new Map(within);
    const variables = [expr.variable, expr.variable2].flatMap((name) => {
      if (name === undefined) return [];
      const slot = this.#slots++;
      inner.set(name, (state) => state.locals[slot]!);
      return [slot];
    });
    // The accumulator goes before a variable of its name.
    inner.set(expr.accumulator, within.get(expr.accumulator)!);
    this.#scope = inner;
    const condition = this.plan(expr.condition).step;
    const step = this.plan(expr.step).step;
    this.#scope = within;
    const result = this.plan(expr.result).step;
    this.#scope = outer;
    return { step: foldStep({ range, accumulator, variables, condition, step, result }) };
  }
}

const path = (root: Step): Attribute => ({ is: "path", root, qualifiers: [] });

const constant = (value: Value): Plan => ({ step: () => value, constant: value });

/** The attribute of a plan: its own, or one that starts at its value. */
const attributeOf = ({ attribute, step }: Plan): Attribute => attribute ?? path(step);

/** An attribute as a value of its own. A choice costs only what its sides do. */
function attributePlan(attribute: Attribute): Plan {
  const resolve = resolver(attribute);
  if (attribute.is === "choice") return { step: resolve, attribute };
  const step: Step = (state) => {
    const value = resolve(state);
    state.count(1);
    state.spend(SELECT_COST);
    return value;
  };
  return { step, attribute };
}

function choice([condition, then, otherwise]: readonly Plan[]): Plan {
  return attributePlan({
    is: "choice",
    condition: condition!.step,
    then: attributeOf(then!),
    otherwise: attributeOf(otherwise!),
  });
}

function index([operand, key]: readonly Plan[], optional: boolean): Plan {
  const { attribute, step, constant: value } = key!;
  const sought = value ?? (attribute === undefined ? step : resolver(attribute));
  return attributePlan(qualified(attributeOf(operand!), { key: sought, optional, test: false }));
}

/** `&&` and `||`: the value that decides ends it; otherwise the first error is the result. */
function logic(terms: readonly Step[], decides: boolean): Step {
  return (state) => {
    let failure: Outcome | undefined;
    for (const term of terms) {
      const value = term(state);
      if (value === decides) return decides;
      if (value !== !decides) failure ??= isError(value) ? value : NO_OVERLOAD;
    }
    return failure ?? !decides;
  };
}

/** `a.or(b)` and `a.orValue(b)`, which evaluate b only where a has no value, and cost nothing. */
function optionalOr([left, right]: readonly Step[], unwrap: boolean): Step {
  return (state) => {
    const value = left!(state);
    if (!(value instanceof OptionalValue)) return value;
    if (value.value === undefined) return right!(state);
    return unwrap ? value.value : value;
  };
}

function constructing(build: Step, cost: number): Step {
  return (state) => {
    const value = build(state);
    state.count(1);
    state.spend(cost);
    return value;
  };
}

/** An element of a literal; undefined for an optional one without a value. */
function element(value: Outcome, optional: boolean, what: string): Outcome | undefined {
  if (!optional || isError(value)) return value;
  return value instanceof OptionalValue
    ? value.value
    : error(`cannot initialize optional ${what} from non-optional value`);
}

function literalValue(literal: LiteralValue): Value {
  if (literal.type === "null") return null;
  return literal.type === "uint" ? new Uint(literal.value) : literal.value;
}

function isPrimitive(value: Value): boolean {
  return (typeof value !== "object" && value !== null) || value instanceof Uint;
}
