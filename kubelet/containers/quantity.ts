/** Multipliers of a quantity's suffix (the API's resource.Quantity grammar). */
const SUFFIXES: Record<string, number> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/**
 * The number behind `500m`, `64Mi`, `1e3`. The API server has validated it before, so a malformed
 * one (from a static pod file) throws RangeError naming the text.
 */
export function quantityOf(text: string | number): number {
  const match = /^([+-]?[0-9]*\.?[0-9]+\.?)(?:[eE]([+-]?[0-9]+)|([numkMGTPE]i?|Ki)?)$/.exec(
    String(text),
  );
  const suffix = SUFFIXES[match?.[3] ?? ""];
  if (!match || suffix === undefined) throw new RangeError(`not a quantity: ${text}`);
  return Number(match[1]) * (match[2] ? 10 ** Number(match[2]) : suffix);
}

/** CPU in thousandths of a core, rounded up. */
export function milliOf(text: string | number): number {
  return Math.ceil(Number((quantityOf(text) * 1000).toFixed(6)));
}

/** Bytes, rounded up. */
export function bytesOf(text: string | number): number {
  return Math.ceil(quantityOf(text));
}
