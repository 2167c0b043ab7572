/** Go's durations, `1h30m0s`, as whole nanoseconds (bigint: an int64 does not fit a number). */

const UNIT_NANOS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  "\u00b5s": 1_000n,
  "\u03bcs": 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};
const PART = /(\d+)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/y;

/** The longest text that is read as a duration: numbers of many digits take long to convert. */
const DURATION_CHARS_MAX = 1_000;

/** Reads a duration; undefined when the text is none. */
export function parseDuration(text: string): bigint | undefined {
  if (text.length > DURATION_CHARS_MAX) return undefined;
  const sign = text.startsWith("-") ? -1n : 1n;
  const body = text.replace(/^[+-]/, "");
  if (body === "0") return 0n;
  if (body === "") return undefined;
  let total = 0n;
  PART.lastIndex = 0;
  while (PART.lastIndex < body.length) {
    const match = PART.exec(body);
    if (match === null) return undefined;
    const unit = UNIT_NANOS[match[3]!]!;
    const fraction = match[2] ?? "";
    total += BigInt(match[1]!) * unit;
    if (fraction !== "") total += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
  }
  return sign * total;
}

/** Writes nanoseconds as Go does: `1h0m0s`, `1.5s`, `250ms`, `0s`. */
export function formatDuration(nanos: bigint): string {
  if (nanos === 0n) return "0s";
  const sign = nanos < 0n ? "-" : "";
  const size = nanos < 0n ? -nanos : nanos;
  if (size < UNIT_NANOS.s!) {
    const unit = size < 1_000n ? "ns" : size < 1_000_000n ? "\u00b5s" : "ms";
    return `${sign}${decimal(size, UNIT_NANOS[unit]!)}${unit}`;
  }
  const hours = size / UNIT_NANOS.h!;
  const minutes = (size / UNIT_NANOS.m!) % 60n;
  const seconds = `${decimal(size % UNIT_NANOS.m!, UNIT_NANOS.s!)}s`;
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`;
}

function decimal(amount: bigint, unit: bigint): string {
  const fraction = (amount % unit).toString().padStart(unit.toString().length - 1, "0");
  const kept = unit === 1n ? "" : fraction.replace(/0+$/, "");
  return kept === "" ? `${amount / unit}` : `${amount / unit}.${kept}`;
}
