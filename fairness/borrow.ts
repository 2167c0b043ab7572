import { allocate, type Claim } from "./allocate.ts";
import type { Level } from "./level.ts";

/** The seats of each level, and the factor of their targets by which all seats are given. */
export type Lending = { readonly seats: ReadonlyMap<Level, number>; readonly factor: number };

/**
 * Divides all seats between levels by their demand: each has at least what it asked for up to its
 * nominal seats, and no less than it keeps for itself; more goes to those that ask for more, up to
 * what they may borrow (upstream: updateBorrowingLocked).
 */
export function lend(levels: readonly Level[]): Lending {
  const all = levels.reduce((sum, { seats }) => sum + seats.nominal, 0);
  const exempt = levels
    .filter(({ isExempt }) => isExempt)
    .map((level) => [level, Math.max(level.seats.least, Math.ceil(level.demand.most))] as const);
  const left = exempt.reduce((rest, [, seats]) => rest - seats, all);
  const limited = levels.filter(({ isExempt }) => !isExempt);
  const claims = limited.map(claimOf);
  const kept = limited.reduce((sum, { seats }) => sum + seats.least, 0);
  const used = claims.reduce((sum, { least }) => sum + least, 0);
  const { amounts, factor } =
    left <= kept
      ? between(
          left,
          limited.map(() => 0),
          limited.map(({ seats }) => seats.least),
        )
      : left <= used
        ? between(
            left,
            limited.map(({ seats }) => seats.least),
            claims.map(({ least }) => least),
          )
        : allocate(left, claims);
  const given = limited.map((level, at) => [level, Math.round(amounts[at]!)] as const);
  return { seats: new Map([...exempt, ...given]), factor };
}

/** Returns a level's claim, by its demand. */
export function claimOf({ seats, demand }: Level): Claim {
  const least = Math.max(seats.least, Math.min(seats.nominal, demand.most));
  return { target: Math.max(least, demand.smoothed), least, most: seats.most };
}

/** Amounts between two that are given for each, all by the same part of the difference. */
function between(amount: number, from: readonly number[], to: readonly number[]) {
  const total = (of: readonly number[]) => of.reduce((sum, each) => sum + each, 0);
  const width = total(to) - total(from);
  const part = width > 0 ? Math.max(0, (amount - total(from)) / width) : 0;
  return { amounts: from.map((each, at) => each + part * (to[at]! - each)), factor: 0 };
}
