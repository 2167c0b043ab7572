/**
 * Doubles in decimal with any number of digits, rounded half to even on their exact value as Go
 * does. JavaScript's toFixed ends at 100 digits, changes its form at 1e21 and rounds halves up.
 */

const MANTISSA_BITS = 52n;
const EXPONENT_BIAS = 1075n;

/** The exact value of a finite, non-negative double as a fraction. */
function fractionOf(value: number): [numerator: bigint, denominator: bigint] {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const exponent = bits >> MANTISSA_BITS;
  const digits = bits & ((1n << MANTISSA_BITS) - 1n);
  const mantissa = exponent === 0n ? digits : digits | (1n << MANTISSA_BITS);
  const power = (exponent === 0n ? 1n : exponent) - EXPONENT_BIAS;
  return power >= 0n ? [mantissa << power, 1n] : [mantissa, 1n << -power];
}

function divideHalfEven(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = 2n * (numerator % denominator);
  const up = twice > denominator || (twice === denominator && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

/** `1234.5` with two digits after the point: `1234.50`. */
export function fixedDigits(value: number, precision: number): string {
  const [numerator, denominator] = fractionOf(value);
  const scaled = divideHalfEven(numerator * 10n ** BigInt(precision), denominator).toString();
  const padded = scaled.padStart(precision + 1, "0");
  if (precision === 0) return padded;
  return `${padded.slice(0, -precision)}.${padded.slice(-precision)}`;
}

/** The digits and the power of ten of a number: `1234.5` with two is `1.23` and 3. */
export function scientificDigits(
  value: number,
  precision: number,
): { readonly digits: string; readonly exponent: number } {
  const [numerator, denominator] = fractionOf(value);
  let exponent = value === 0 ? 0 : Number(value.toExponential().split("e")[1]);
  for (;;) {
    const shift = BigInt(precision - exponent);
    const scaled =
      shift >= 0n
        ? divideHalfEven(numerator * 10n ** shift, denominator)
        : divideHalfEven(numerator, denominator * 10n ** -shift);
    const digits = scaled.toString().padStart(precision + 1, "0");
    if (digits.length > precision + 1) exponent++;
    else if (digits.startsWith("0") && value !== 0) exponent--;
    else {
      const rest = digits.slice(1);
      return { digits: rest === "" ? digits : `${digits[0]}.${rest}`, exponent };
    }
  }
}
