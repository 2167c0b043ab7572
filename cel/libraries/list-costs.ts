/** Costs of cel-go's lists and sets extensions. Source: ext/lists.go and ext/sets.go. */
import type { CallEstimate, CostNode, Overload, Range } from "../library.ts";
import { UNBOUNDED } from "../library.ts";
import { costSize, typeOfValue } from "../operations.ts";
import { add, exactly, multiply, scale } from "../ranges.ts";
import type { Type } from "../types.ts";
import { ListValue, type Outcome, type Value } from "../value.ts";
import { sizeOf } from "./sizes.ts";

type Estimate = NonNullable<Overload["estimate"]>;

/** The cost of making a list, and of the call itself. */
const CREATION = 11;
const CALL = 1;
const TEXT_FACTOR = 0.1;
/** Comparisons of a list with itself. */
const COMPARISON_FACTOR = 2;

/** One for each item of the result. */
export function listCost(_args: readonly Value[], result: Outcome): number {
  return costSize(result) + CREATION;
}

export function flattenCost([list, depth = 1n]: readonly Value[]): number {
  return Math.trunc(costSize(list!) * Number(depth)) + CREATION;
}

/** Comparing each item with each, of texts by their length. */
export function selfCompareCost(list: Value): number {
  const first = list instanceof ListValue && list.size > 0 ? list.at(0) : undefined;
  const isText = first !== undefined && isTextType(typeOfValue(first));
  const factor = COMPARISON_FACTOR + (isText ? TEXT_FACTOR : 0);
  return Math.trunc(costSize(list) ** 2 * factor) + CREATION;
}

const isTextType = ({ kind }: Type): boolean => kind === "string" || kind === "bytes";

export function setsCost(factor: number): (args: readonly Value[]) => number {
  return ([a, b]) => CALL + Math.trunc(costSize(a!) * costSize(b!) * factor);
}

function allocating(factor: number, resultSize: Range): CallEstimate {
  return { cost: add(scale(resultSize, factor), exactly(BigInt(CREATION))), resultSize };
}

/** An integer literal's value, 0 for negative ones; `other` for other expressions. */
function literalOf({ expr }: CostNode, other: bigint): bigint {
  if (expr?.is !== "literal" || expr.value.type !== "int") return other;
  return expr.value.value < 0n ? 0n : expr.value.value;
}

export const estimateSlice: Estimate = (target, [start, end], sizes) => {
  const { max } = sizeOf(target!, sizes);
  const size = BigInt.asUintN(64, literalOf(end!, max) - literalOf(start!, 0n));
  return allocating(1, exactly(size));
};

export const estimateRange: Estimate = (_target, [count]) =>
  allocating(1, exactly(literalOf(count!, UNBOUNDED)));

export const estimateReverse: Estimate = (target, _args, sizes) =>
  allocating(1, sizeOf(target!, sizes));

export const estimateFlatten: Estimate = (target, [depth], sizes) =>
  allocating(depth === undefined ? 1 : Number(literalOf(depth, UNBOUNDED)), sizeOf(target!, sizes));

export const estimateDistinct: Estimate = (target, _args, sizes) => {
  const size = sizeOf(target!, sizes);
  return allocating(COMPARISON_FACTOR, multiply(size, size));
};

/** The estimate of sorting a list of a type: the receiver, or the keys that are the argument. */
export function estimateSort(type: Type, byItself: boolean): Estimate {
  const factor = COMPARISON_FACTOR + (isTextType(type) ? TEXT_FACTOR : 0);
  return (target, [keys], sizes) => {
    const size = sizeOf(byItself ? target! : keys!, sizes);
    return allocating(factor, multiply(size, size));
  };
}

export function estimateSets(factor: number): Estimate {
  return (_target, [a, b], sizes) => {
    const product = multiply(sizeOf(a!, sizes), sizeOf(b!, sizes));
    return { cost: add(scale(product, factor), exactly(BigInt(CALL))) };
  };
}
