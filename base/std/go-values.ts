const TRUE: readonly string[] = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE: readonly string[] = ["0", "f", "F", "false", "FALSE", "False"];

/** A switch as Go's `strconv.ParseBool` reads it; undefined when it is none. */
export function goSwitch(text: string): boolean | undefined {
  if (TRUE.includes(text)) return true;
  return FALSE.includes(text) ? false : undefined;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};
const PARTS = /([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|\u00b5s|ms|s|m|h)/gy;

/** A duration as Go's `time.ParseDuration` reads it, in ms; undefined when it is none. */
export function goDuration_ms(signed: string): number | undefined {
  const negative = signed.startsWith("-");
  const text = signed.replace(/^[-+]/, "");
  if (text === "0") return 0;
  let total_ms = 0;
  let read = 0;
  for (const [whole, number, unit] of text.matchAll(PARTS)) {
    total_ms += Number(number) * UNITS_MS[unit!]!;
    read += whole.length;
  }
  if (read !== text.length || read === 0) return undefined;
  return negative ? -total_ms : total_ms;
}

/** The digits of 64 bits: BigInt takes 0.2 s for a megabyte of them. */
const DIGITS_MAX = 20;

/** Go's ParseInt with base 10 and 64 bits; undefined for its errors. */
export function goInt64(text: string): bigint | undefined {
  const size = goUint64(text.replace(/^[+-]/, ""));
  if (size === undefined) return undefined;
  const value = text.startsWith("-") ? -size : size;
  return BigInt.asIntN(64, value) === value ? value : undefined;
}

/** Go's ParseUint with base 10 and 64 bits; undefined for its errors. */
export function goUint64(text: string): bigint | undefined {
  if (!/^\d+$/.test(text)) return undefined;
  const first = text.search(/[1-9]/);
  if (first < 0) return 0n;
  if (text.length - first > DIGITS_MAX) return undefined;
  const value = BigInt(text.slice(first));
  return BigInt.asUintN(64, value) === value ? value : undefined;
}
