import { CommandError } from "./terminal.ts";

/** Returns a flag's whole number; throws CommandError `BAD_FLAG` for one that is out of bounds. */
export function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const value = /^[+-]?\d+$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new CommandError("BAD_FLAG", `${flag} ${text} is not usable`, {
    remedy: `a whole number from ${least} to ${most}`,
  });
}

/** Parses the text of a flag that was given. */
export function parsed<T>(text: string | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined ? undefined : parse(text);
}
