/** Sizes of arguments, as libraries estimate costs by them. */
import type { CostNode, Range, SizeEstimator } from "../library.ts";
import { UNKNOWN } from "../ranges.ts";

/** The size of a node by its expression, else by its declaration, else any. */
export function sizeOf(node: CostNode, sizes: SizeEstimator): Range {
  return node.computedSize ?? sizes.estimateSize(node) ?? UNKNOWN;
}
