/** Estimates what an expression costs from the sizes of what it reads. Source: checker/cost.go. */
import { ACCUMULATOR, type Call, type Comprehension, type Expr, type LiteralValue } from "./ast.ts";
import type { Checked } from "./checker.ts";
import {
  LIST_COST,
  MAP_COST,
  REGEX_LENGTH_FACTOR,
  SELECT_COST,
  STRING_TRAVERSAL_FACTOR,
  STRUCT_COST,
} from "./cost-factors.ts";
import {
  type CallEstimate,
  type CostModel,
  type CostNode,
  type Overload,
  type Range,
  type SizeEstimator,
  UNBOUNDED,
} from "./library.ts";
import { lengthOf } from "./operations.ts";
import { add, exactly, multiply, scale, UNKNOWN, union } from "./ranges.ts";
import { isOptional, type Type } from "./types.ts";

export type EstimateOptions = { readonly costs: CostModel; readonly presenceTestCosts: boolean };

/** The range of an expression's cost. */
export const estimateCost = (
  checked: Checked,
  sizes: SizeEstimator,
  options: EstimateOptions,
): Range => new Coster(checked, sizes, options).cost(checked.expr);

type EntrySizes = { readonly kind: "list" | "map"; readonly key: Range; readonly value: Range };

/** A variable of a comprehension. */
interface Local {
  readonly path: readonly string[];
  readonly size: Range | undefined;
  readonly entries: EntrySizes | undefined;
}

const ZERO = exactly(0);
const ONE = exactly(1);

class Coster {
  readonly #checked: Checked;
  readonly #estimator: SizeEstimator;
  readonly #options: EstimateOptions;
  readonly #paths = new Map<number, readonly string[]>();
  readonly #sizes = new Map<number, Range>();
  readonly #entries = new Map<number, EntrySizes>();
  readonly #locals = new Map<string, Local[]>();

  constructor(checked: Checked, estimator: SizeEstimator, options: EstimateOptions) {
    this.#checked = checked;
    this.#estimator = estimator;
    this.#options = options;
  }

  cost(expr: Expr): Range {
    switch (expr.is) {
      case "literal":
        return ZERO;
      case "ident":
        this.#paths.set(expr.id, this.#local(expr.name)?.path ?? [this.#nameOf(expr)]);
        return exactly(SELECT_COST);
      case "select":
        return this.#select(expr);
      case "call":
        return this.#call(expr);
      case "list":
        return this.#list(
          expr.items.map(({ value }) => value),
          expr.id,
        );
      case "map":
        return this.#map(expr.entries, expr.id);
      case "struct":
        return add(exactly(STRUCT_COST), ...expr.fields.map(({ value }) => this.cost(value)));
      case "comprehension":
        return isBinding(expr) ? this.#binding(expr) : this.#comprehension(expr);
      default:
        return expr satisfies never;
    }
  }

  /** The full name of a variable, which the checker found. */
  #nameOf(expr: Expr & { name: string }): string {
    const reference = this.#checked.references.get(expr.id);
    return reference?.is === "name" ? reference.name.name : expr.name;
  }

  #select(expr: Expr & { is: "select" }): Range {
    const reference = this.#checked.references.get(expr.id);
    if (reference?.is === "name") {
      // A variable with a qualified name: one identifier.
      this.#paths.set(expr.id, [reference.name.name]);
      return exactly(SELECT_COST);
    }
    if (expr.test) {
      const test = this.#options.presenceTestCosts ? exactly(SELECT_COST) : ZERO;
      return add(test, this.cost(expr.operand));
    }
    const operand = this.cost(expr.operand);
    const { kind } = this.#typeOf(expr.operand);
    const own = kind === "map" || kind === "struct" || kind === "parameter" ? SELECT_COST : 0;
    this.#paths.set(expr.id, [...this.#pathOf(expr.operand), expr.field]);
    return add(operand, exactly(own));
  }

  #call(expr: Call): Range {
    const reference = this.#checked.references.get(expr.id);
    const [first] = expr.args;
    if (expr.name === "dyn" && first !== undefined) {
      const cost = this.cost(first);
      this.#copySizes(expr, first);
      return add(ONE, cost);
    }
    const argCosts = expr.args.map((each) => this.cost(each));
    const args = expr.args.map((each) => this.#node(each));
    if (reference?.is !== "function" || reference.overloads.length === 0) return ZERO;
    const isMember = expr.target !== undefined && !reference.namespaced;
    const targetCost = isMember ? this.cost(expr.target!) : ZERO;
    const target = isMember ? this.#node(expr.target!) : undefined;
    const call: CallNodes = { expr, name: reference.name, target, args, argCosts };
    let cost: Range | undefined;
    let size: Range | undefined;
    for (const overload of reference.overloads) {
      const estimate = this.#functionCost(call, overload);
      cost = cost === undefined ? estimate.cost : union(cost, estimate.cost);
      if (estimate.resultSize !== undefined) {
        size = size === undefined ? estimate.resultSize : union(size, estimate.resultSize);
      }
      if (overload.id === "index_list" || overload.id === "index_map") {
        size = this.#entriesOf(first!)?.value;
        const step = overload.id === "index_list" ? "@items" : "@values";
        this.#paths.set(expr.id, [...this.#pathOf(first!), step]);
      }
      size ??= this.#sizeOf(expr);
    }
    if (size !== undefined) this.#sizes.set(expr.id, size);
    return add(targetCost, cost!);
  }

  #functionCost(call: CallNodes, overload: Overload): CallEstimate {
    const { name, target, args, argCosts } = call;
    const estimate =
      overload.estimate?.(target, args, this.#estimator) ??
      this.#options.costs.estimateCall?.(name, overload.id, target, args, this.#estimator);
    if (estimate !== undefined) return { ...estimate, cost: add(ZERO, estimate.cost, ...argCosts) };
    const special = this.#standardCost(call, overload.id);
    if (special !== undefined) return special;
    const own = estimateStandard(overload.id, target, args);
    return { ...own, cost: add(ZERO, own.cost, ...argCosts) };
  }

  /** Operators whose operands count in their own way, or whose result has entries. */
  #standardCost({ expr, args, argCosts }: CallNodes, id: string): CallEstimate | undefined {
    switch (id) {
      case "logical_and":
      case "logical_or": {
        const [left, right] = argCosts;
        return { cost: { min: left!.min, max: add(left!, right!).max } };
      }
      case "conditional": {
        const [condition, then, otherwise] = argCosts;
        this.#setEntries(expr, this.#unitedEntries(expr.args[1]!, expr.args[2]!));
        return {
          cost: add(condition!, union(then!, otherwise!)),
          resultSize: union(sizeOrUnknown(args[1]!), sizeOrUnknown(args[2]!)),
        };
      }
      case "add_string":
      case "add_bytes":
      case "add_list": {
        this.#setEntries(expr, this.#unitedEntries(expr.args[0]!, expr.args[1]!));
        const size = add(sizeOrUnknown(args[0]!), sizeOrUnknown(args[1]!));
        const own = id === "add_list" ? ONE : scale(size, STRING_TRAVERSAL_FACTOR);
        return { cost: add(own, ...argCosts), resultSize: size };
      }
      default:
        return undefined;
    }
  }

  #unitedEntries(a: Expr, b: Expr): EntrySizes | undefined {
    const [left, right] = [this.#entriesOf(a), this.#entriesOf(b)];
    if (left === undefined || right === undefined) return undefined;
    return { ...left, key: union(left.key, right.key), value: union(left.value, right.value) };
  }

  #list(items: readonly Expr[], id: number): Range {
    const cost = add(exactly(LIST_COST), ...items.map((each) => this.cost(each)));
    const value = this.#unitedSizes(items);
    this.#entries.set(id, { kind: "list", key: ONE, value });
    return cost;
  }

  #map(entries: readonly { readonly key: Expr; readonly value: Expr }[], id: number): Range {
    const costs = entries.flatMap(({ key, value }) => [this.cost(key), this.cost(value)]);
    const key = this.#unitedSizes(entries.map((each) => each.key));
    const value = this.#unitedSizes(entries.map((each) => each.value));
    this.#entries.set(id, { kind: "map", key, value });
    return add(exactly(MAP_COST), ...costs);
  }

  #unitedSizes(list: readonly Expr[]): Range {
    return (
      list
        .map((each) => this.#sizeOf(each) ?? UNKNOWN)
        .reduce<Range | undefined>((a, b) => (a === undefined ? b : union(a, b)), undefined) ?? ZERO
    );
  }

  #binding(expr: Comprehension): Range {
    const cost = add(this.cost(expr.range), this.cost(expr.initial));
    this.#push(expr.accumulator, this.#localOf(expr.initial));
    const result = this.cost(expr.result);
    this.#pop(expr.accumulator);
    this.#copySizes(expr, expr.result);
    return add(cost, result);
  }

  #comprehension(expr: Comprehension): Range {
    const start = add(this.cost(expr.range), this.cost(expr.initial));
    this.#push(expr.accumulator, this.#localOf(expr.initial));
    this.#pushVariables(expr);
    const loop = add(this.cost(expr.condition), this.cost(expr.step));
    this.#pop(expr.variable);
    if (expr.variable2 !== undefined) this.#pop(expr.variable2);
    const result = this.cost(expr.result);
    this.#pop(expr.accumulator);
    const count = this.#sizeOf(expr.range) ?? UNKNOWN;
    const { is } = expr.initial;
    if (is === "literal") this.#setSize(expr, this.#sizeOf(expr.initial));
    if (is === "list" || is === "map") {
      this.#setSize(expr, count);
      this.#setEntries(expr, this.#entriesOf(expr.step));
    }
    return add(start, result, multiply(count, loop));
  }

  #localOf(expr: Expr): Local {
    return { path: this.#pathOf(expr), size: this.#sizeOf(expr), entries: this.#entriesOf(expr) };
  }

  /** Pushes what the variables are: a list's items, a map's keys, or indexes or keys and values. */
  #pushVariables({ range, variable, variable2 }: Comprehension): void {
    const sizes = this.#entriesOf(range);
    const path = this.#pathOf(range);
    const isList = (sizes?.kind ?? this.#typeOf(range).kind) === "list";
    const push = (name: string, step: string, size: Range | undefined): void =>
      this.#push(name, { path: [...path, step], size, entries: undefined });
    if (variable2 !== undefined) {
      push(variable, isList ? "@indices" : "@keys", sizes?.key);
      push(variable2, isList ? "@items" : "@values", sizes?.value);
    } else if (isList) {
      push(variable, "@items", sizes?.value);
    } else {
      push(variable, "@keys", sizes?.key);
    }
  }

  #push(name: string, local: Local): void {
    this.#locals.set(name, [...(this.#locals.get(name) ?? []), local]);
  }

  #pop(name: string): void {
    this.#locals.get(name)!.pop();
  }

  #local(name: string): Local | undefined {
    return this.#locals.get(name)?.at(-1);
  }

  #typeOf(expr: Expr): Type {
    return this.#checked.types.get(expr.id)!;
  }

  #pathOf(expr: Expr): readonly string[] {
    const local = expr.is === "ident" ? this.#local(expr.name) : undefined;
    return local?.path ?? this.#paths.get(expr.id) ?? [];
  }

  #node(expr: Expr): CostNode {
    const path = this.#pathOf(expr);
    const computedSize = this.#sizeOf(expr);
    const node: CostNode = { type: this.#typeOf(expr), expr };
    // Values that only an accumulator has are not reached by a declaration.
    const reached = path.length === 0 || path[0] === ACCUMULATOR ? node : { ...node, path };
    return computedSize === undefined ? reached : { ...reached, computedSize };
  }

  #sizeOf(expr: Expr): Range | undefined {
    const known = this.#sizes.get(expr.id) ?? literalSize(expr);
    if (known !== undefined) return known;
    const path = this.#pathOf(expr);
    const type = this.#typeOf(expr);
    const estimated = this.#estimator.estimateSize({ path, type, expr });
    if (estimated !== undefined) {
      this.#sizes.set(expr.id, estimated);
      return estimated;
    }
    if (isScalar(type)) return ONE;
    return expr.is === "ident" ? this.#local(expr.name)?.size : undefined;
  }

  #entriesOf(expr: Expr): EntrySizes | undefined {
    return (
      this.#entries.get(expr.id) ??
      (expr.is === "ident" ? this.#local(expr.name)?.entries : undefined)
    );
  }

  #setSize({ id }: Expr, size: Range | undefined): void {
    if (size !== undefined) this.#sizes.set(id, size);
  }

  #setEntries({ id }: Expr, sizes: EntrySizes | undefined): void {
    if (sizes !== undefined) this.#entries.set(id, sizes);
  }

  #copySizes(to: Expr, from: Expr): void {
    this.#setSize(to, this.#sizeOf(from));
    this.#setEntries(to, this.#entriesOf(from));
  }
}

interface CallNodes {
  readonly expr: Call;
  readonly name: string;
  readonly target: CostNode | undefined;
  readonly args: readonly CostNode[];
  readonly argCosts: readonly Range[];
}

/** A fold over nothing, by which a value gets a name: `cel.bind`. */
const isBinding = ({ range, condition, accumulator }: Comprehension): boolean =>
  range.is === "list" &&
  range.items.length === 0 &&
  condition.is === "literal" &&
  condition.value.type === "bool" &&
  !condition.value.value &&
  accumulator !== ACCUMULATOR;

const sizeOrUnknown = (node: CostNode): Range => node.computedSize ?? UNKNOWN;

function literalSize(expr: Expr): Range | undefined {
  if (expr.is === "list") return exactly(expr.items.length);
  if (expr.is === "map") return exactly(expr.entries.length);
  return expr.is === "literal" ? exactly(sizeOfLiteral(expr.value)) : undefined;
}

function sizeOfLiteral(literal: LiteralValue): number {
  if (literal.type === "string") return lengthOf(literal.value);
  return literal.type === "bytes" ? literal.value.length : 1;
}

const SCALARS = new Set(["bool", "double", "duration", "int", "timestamp", "uint"]);

/** Whether values of a type have a constant size. */
function isScalar(type: Type): boolean {
  return SCALARS.has(type.kind) || (isOptional(type) && isScalar(type.parameters[0]!));
}

/** The estimate of a standard function's call without its arguments. */
function estimateStandard(
  id: string,
  target: CostNode | undefined,
  args: readonly CostNode[],
): CallEstimate {
  const size = (index: number): Range => sizeOrUnknown(args[index]!);
  const traversal = (range: Range): Range => scale(range, STRING_TRAVERSAL_FACTOR);
  switch (id) {
    case "string_format":
      return { cost: target === undefined ? ONE : traversal(sizeOrUnknown(target)) };
    case "string_to_bytes":
      return {
        cost: traversal(size(0)),
        resultSize: { min: size(0).min, max: wrapped(size(0).max * 4n) },
      };
    case "bytes_to_string":
      return { cost: traversal(size(0)), resultSize: { min: size(0).min / 4n, max: size(0).max } };
    case "strings_quote":
      return {
        cost: traversal(size(0)),
        resultSize: { min: size(0).min + 2n, max: wrapped(size(0).max * 2n + 2n) },
      };
    case "starts_with_string":
    case "ends_with_string":
      return { cost: traversal(size(0)) };
    case "in_list":
      return { cost: scale(size(1), 1) };
    case "matches_string": {
      const text = traversal(add(sizeOrUnknown(target!), ONE));
      return { cost: multiply(text, scale(size(0), REGEX_LENGTH_FACTOR)) };
    }
    case "contains_string":
      return { cost: multiply(traversal(sizeOrUnknown(target!)), traversal(size(0))) };
    default:
      if (!/^(?:(?:less|greater)(?:_equals)?_(?:string|bytes)|equals|not_equals)$/.test(id)) {
        return { cost: ONE };
      }
      return { cost: traversal(smaller(size(0), size(1))) };
  }
}

function smaller(a: Range, b: Range): Range {
  const max = a.max < b.max ? a.max : b.max;
  return { min: max > 0n ? 1n : 0n, max };
}

/** Products of sizes that cel-go lets overflow. */
const wrapped = (value: bigint): bigint => value & UNBOUNDED;
