import { CommandError } from "./terminal.ts";

/** Returns a flag's whole number; throws CommandError `BAD_FLAG` for one that is out of bounds. */
export function wholeNumber(
  flag: string,
  text: string,
  least = 0,
  most = Number.MAX_SAFE_INTEGER,
): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new CommandError("BAD_FLAG", `${flag} ${text} is not usable`, {
    remedy: `a whole number from ${least} to ${most}`,
  });
}

/** Returns a flag's port, from 0 where that means none or any; throws as `wholeNumber`. */
export const portNumber = (flag: string, text: string, least: 0 | 1 = 0): number =>
  wholeNumber(flag, text, least, 65_535);

/** Parses the text of a flag that was given. */
export function parsed<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}
