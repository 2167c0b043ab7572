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
