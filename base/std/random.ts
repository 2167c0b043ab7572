/** A source of randomness as an argument, so that a run can be replayed from its seed. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** Returns an integer in [low, high). */
export function randomInteger(random: Random, low: number, high: number): number {
  return low + Math.floor(random.next() * (high - low));
}

/** Returns a random element of a non-empty list. */
export function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[randomInteger(random, 0, items.length)];
  if (item === undefined) throw new RangeError("pick from an empty list");
  return item;
}

/** Returns the items in a random order; each order is as probable as any other (Fisher-Yates). */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const all = [...items];
  for (let left = all.length; left > 1; left--) {
    const at = randomInteger(random, 0, left);
    [all[left - 1], all[at]] = [all[at]!, all[left - 1]!];
  }
  return all;
}

/**
 * Returns `length` lower-case letters and digits without vowels, as in upstream's name suffixes.
 */
export function randomSuffix(random: Random, length: number): string {
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  let suffix = "";
  for (let i = 0; i < length; i++) suffix += alphabet[randomInteger(random, 0, alphabet.length)];
  return suffix;
}

/** A reproducible source: xoshiro128** with a state that splitmix32 derives from the seed. */
export function seededRandom(seed: number): Random {
  let spread = seed >>> 0;
  const splitmix = () => {
    spread = (spread + 0x9e3779b9) >>> 0;
    let z = spread;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let a = splitmix();
  let b = splitmix();
  let c = splitmix();
  let d = splitmix();
  const rotate = (x: number, k: number) => ((x << k) | (x >>> (32 - k))) >>> 0;
  return {
    next() {
      const result = Math.imul(rotate(Math.imul(b, 5) >>> 0, 7), 9) >>> 0;
      const t = (b << 9) >>> 0;
      c = (c ^ a) >>> 0;
      d = (d ^ b) >>> 0;
      b = (b ^ c) >>> 0;
      a = (a ^ d) >>> 0;
      c = (c ^ t) >>> 0;
      d = rotate(d, 11);
      return result / 0x1_0000_0000;
    },
  };
}

/** The platform's generator: not reproducible, not for secrets. */
export const systemRandom: Random = { next: () => Math.random() };
