/** Arithmetic of ranges of sizes and costs, which saturates at 2^64 - 1. */
import { type Range, UNBOUNDED } from "./library.ts";

export const UNKNOWN: Range = { min: 0n, max: UNBOUNDED };

export function exactly(value: bigint | number): Range {
  return { min: BigInt(value), max: BigInt(value) };
}

const capped = (value: bigint): bigint => (value > UNBOUNDED ? UNBOUNDED : value);

export function add(...ranges: readonly Range[]): Range {
  return ranges.reduce((a, b) => ({ min: capped(a.min + b.min), max: capped(a.max + b.max) }));
}

export function multiply(a: Range, b: Range): Range {
  return { min: capped(a.min * b.min), max: capped(a.max * b.max) };
}

/** Multiplies by a fraction and rounds up, in doubles as cel-go does. */
export function scale({ min, max }: Range, factor: number): Range {
  return { min: scaled(min, factor), max: scaled(max, factor) };
}

function scaled(value: bigint, factor: number): bigint {
  const product = Math.ceil(Number(value) * factor);
  return product >= Number(UNBOUNDED) ? UNBOUNDED : BigInt(product);
}

/** The range that covers both. */
export function union(a: Range, b: Range): Range {
  return { min: a.min < b.min ? a.min : b.min, max: a.max > b.max ? a.max : b.max };
}
