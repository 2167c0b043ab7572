import { allocate, type Claim, sumOf } from "./allocate.ts";
import type { Level } from "./level.ts";

/** The seats of each level, and the factor of their targets by which all seats are given. */
export type Lending = { readonly seats: ReadonlyMap<Level, number>; readonly factor: number };

/**
 * Divides all seats between levels by their demand: each has at least what it asked for up to its
 * nominal seats, and no less than it keeps for itself; more goes to those that ask for more, up to
 * what they may borrow (upstream: updateBorrowingLocked).
 */
export function lend(levels: readonly Level[]): Lending {
  const all = sumOf(levels.map(({ seats }) => seats.nominal));
  const exempt = levels
    .filter(({ isExempt }) => isExempt)
    .map((level) => [level, Math.max(level.seats.least, Math.ceil(level.demand.most))] as const);
  const left = all - sumOf(exempt.map(([, seats]) => seats));
  const limited = levels.filter(({ isExempt }) => !isExempt);
  const claims = limited.map(claimOf);
  const none = limited.map(() => 0);
  const kept = limited.map(({ seats }) => seats.least);
  const used = claims.map(({ least }) => least);
  const { amounts, factor } =
    left <= sumOf(kept)
      ? between(left, none, kept)
      : left <= sumOf(used)
        ? between(left, kept, used)
        : allocate(left, claims);
  const given = limited.map((level, at) => [level, Math.round(amounts[at]!)] as const);
  return { seats: new Map([...exempt, ...given]), factor };
}

export function claimOf({ seats, demand }: Level): Claim {
  const least = Math.max(seats.least, Math.min(seats.nominal, demand.most));
  return { target: Math.max(least, demand.smoothed), least, most: seats.most };
}

/** Amounts between two that are given for each, all by the same part of the difference. */
function between(amount: number, from: readonly number[], to: readonly number[]) {
  const width = sumOf(to) - sumOf(from);
  const part = width > 0 ? Math.max(0, (amount - sumOf(from)) / width) : 0;
  return { amounts: from.map((each, at) => each + part * (to[at]! - each)), factor: 0 };
}
