import { ENDPOINTS_MAX, SERVERS_MIN } from "../limits.ts";
import type { Target } from "./model.ts";

/** Counts what the tenants' objects take of what is bounded. */
export class Bounds {
  readonly #taken = new Map<string, number>();

  /** Takes amounts, if all of them fit; else returns the name of the first that does not. */
  take(...amounts: (readonly [of: string, amount: number, most: number])[]): string | undefined {
    const sums = amounts.map(([of, amount, most]) => ({
      of,
      sum: (this.#taken.get(of) ?? 0) + amount,
      most,
    }));
    const excess = sums.find(({ sum, most }) => sum > most);
    if (excess) return excess.of;
    for (const { of, sum } of sums) this.#taken.set(of, sum);
    return undefined;
  }
}

/** The servers of a target: a power of two, so that endpoints come and go without a reload. */
export function serversOf({ endpoints }: Pick<Target, "endpoints">): number {
  if (!endpoints) return 0;
  const used = Math.max(SERVERS_MIN, Math.min(endpoints.length, ENDPOINTS_MAX));
  return 2 ** Math.ceil(Math.log2(used));
}
