/**
 * Returns the top of a graph's scale, for values up to `most`: one that is shown without rounding,
 * as its half is, by a unit that shows multiples of `step`.
 */
export function topOf(most: number, step: number): number {
  const steps = most / step;
  for (let ten = 1; ; ten *= 10) {
    const found = [2, 4, 10].find((each) => !(each * ten < steps));
    if (found !== undefined) return found * ten * step;
  }
}
