import { TARGET_MIN } from "./limits.ts";

/** A claim to a part of an amount: about `target`, in a range. */
export type Claim = { readonly target: number; readonly least: number; readonly most: number };

/** The claims' amounts, and the factor of all targets that are not bounded. */
export type Allocation = { readonly amounts: readonly number[]; readonly factor: number };

export const sumOf = (amounts: readonly number[]): number =>
  amounts.reduce((sum, each) => sum + each, 0);

/**
 * Divides an amount in proportion to the targets, each within its range. When the ranges allow for
 * less or for more, each gets its most or its least.
 */
export function allocate(amount: number, claims: readonly Claim[]): Allocation {
  const at = (factor: number): number[] =>
    claims.map(({ target, least, most }) =>
      Math.max(least, Math.min(most, factor * Math.max(target, TARGET_MIN))),
    );
  const totalAt = (factor: number) => sumOf(at(factor));
  // The total grows with the factor, by a straight line between the factors that meet a bound.
  const bounds = claims
    .flatMap(({ target, least, most }) =>
      [least, most].map((bound) => bound / Math.max(target, TARGET_MIN)),
    )
    .sort((a, b) => a - b);
  let below = 0;
  for (const bound of bounds) {
    const total = totalAt(bound);
    if (total >= amount) {
      const before = totalAt(below);
      const part = total > before ? Math.max(0, (amount - before) / (total - before)) : 0;
      const factor = below + part * (bound - below);
      return { amounts: at(factor), factor };
    }
    below = bound;
  }
  return { amounts: at(below), factor: below };
}
