/**
 * JSON whose integers keep every digit: those of 64 bits beyond 2^53 are bigints, which are written
 * as the numbers that they were read from. Go's decoders keep them as int64.
 */

declare global {
  interface BigInt {
    toJSON(): unknown;
  }
}

/** Function of ECMAScript's "JSON.parse source text access", which the library's types lack. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

// JSON.stringify asks values for it: a replacer would slow every call.
BigInt.prototype.toJSON = function toJSON(this: bigint): unknown {
  return rawJSON(String(this));
};

/** A long integer, or what looks like one in a string: a mere time in a string does not. */
const LONG_NUMBER = /(?:^|[:,[\s-])\d{16}/;
/** An integer that may have 64 bits: one of a megabyte takes BigInt 0.2 s. */
const INTEGER = /^-?\d{1,19}$/;

/** Parses JSON. An integer of 64 bits beyond 2^53 is a bigint. Throws SyntaxError. */
export function parseExact(text: string): unknown {
  return LONG_NUMBER.test(text) ? JSON.parse(text, exact as never) : JSON.parse(text);
}

/** The exact value of a number; other values as they are. */
export function exact(_key: string, value: unknown, { source }: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  if (source === undefined || !INTEGER.test(source)) return value;
  const whole = BigInt(source);
  return BigInt.asIntN(64, whole) === whole ? whole : value;
}
