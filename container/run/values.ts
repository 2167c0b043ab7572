import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { goDuration_ms } from "@raft2kube/std/go-values.ts";

/** The text is not what a flag takes. */
export function badFlag(flag: string, text: string, why: string): RuntimeError {
  return new RuntimeError("invalid-argument", `${flag} ${JSON.stringify(text)}: ${why}`);
}

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};

/** `512m` in bytes, as docker reads sizes: powers of 1024. */
export function bytesOf(flag: string, text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)([bkmgt]?)(?:i?b)?$/i.exec(text) ?? [];
  const size = Math.floor(Number(number) * (UNITS[unit.toLowerCase()] ?? Number.NaN));
  if (Number.isSafeInteger(size)) return size;
  throw badFlag(flag, text, "no size such as 512m");
}

/** Go's durations (`1m30s`) in milliseconds. */
export function durationOf(flag: string, text: string): number {
  const time_ms = goDuration_ms(text);
  if (time_ms !== undefined && time_ms >= 0) return time_ms;
  throw badFlag(flag, text, "no time such as 1m30s");
}

/** A time of a health check, in nanoseconds: 0 for the default, or a millisecond at least. */
export function healthTimeOf(flag: string, text: string): number {
  const time_ms = durationOf(flag, text);
  if (time_ms === 0 || time_ms >= 1) return Math.round(time_ms * 1e6);
  throw badFlag(flag, text, "is less than 1ms");
}

/** A whole number within bounds. */
export function integerOf(flag: string, text: string, min = 0): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw badFlag(flag, text, `no number from ${min} on`);
}

/** `NAME=VALUE` pairs; a name alone gets `otherwise` of it. */
export function pairsOf(
  flag: string,
  texts: readonly string[],
  otherwise: (name: string) => string | undefined = () => "",
): Record<string, string> {
  const pairs: [string, string][] = [];
  for (const text of texts) {
    const equals = text.indexOf("=");
    const name = equals < 0 ? text : text.slice(0, equals);
    if (name === "" || text.includes("\0")) throw badFlag(flag, text, "not NAME=VALUE");
    const value = equals < 0 ? otherwise(name) : text.slice(equals + 1);
    if (value !== undefined) pairs.push([name, value]);
  }
  return Object.fromEntries(pairs);
}

/** A truth value as Go reads them. */
export function booleanOf(flag: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw badFlag(flag, text, "neither true nor false");
}
