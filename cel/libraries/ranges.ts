/** Arithmetic of sizes and costs, which saturates at 2^64 - 1. Source: cel-go's checker/cost.go. */
import { type CostNode, type Range, type SizeEstimator, UNBOUNDED } from "../library.ts";

export function exactly(value: bigint): Range {
  return { min: value, max: value };
}

function bounded(value: bigint): bigint {
  return value > UNBOUNDED ? UNBOUNDED : value;
}

export function plus(a: Range, b: Range): Range {
  return { min: bounded(a.min + b.min), max: bounded(a.max + b.max) };
}

export function times(a: Range, b: Range): Range {
  return { min: bounded(a.min * b.min), max: bounded(a.max * b.max) };
}

/** A bound times a factor, rounded up as a double. */
function scaledBound(bound: bigint, factor: number): bigint {
  const product = Math.ceil(Number(bound) * factor);
  return product >= 2 ** 64 ? UNBOUNDED : BigInt(product);
}

export function scaled({ min, max }: Range, factor: number): Range {
  return { min: scaledBound(min, factor), max: scaledBound(max, factor) };
}

/** The size of a node by its expression, else by its declaration, else any. */
export function sizeOf(node: CostNode, sizes: SizeEstimator): Range {
  return node.computedSize ?? sizes.estimateSize(node) ?? { min: 0n, max: UNBOUNDED };
}
