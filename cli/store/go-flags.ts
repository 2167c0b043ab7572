import { FlagError } from "./flag-error.ts";
import { FLAGS } from "./flag-table.ts";

/** Flags that belong to the program, not to a member. */
const PROGRAM_FLAGS: ReadonlyMap<string, "text" | "switch"> = new Map([
  ["config-file", "text"],
  ["version", "switch"],
  ["help", "switch"],
  ["h", "switch"],
]);

/**
 * Reads a command line by the rules of Go's `flag`: one dash or two, `--name=value` or
 * `--name value`, a switch without a value is true and takes one only after `=`; the last of a
 * name counts.
 */
export function parseGoFlags(words: readonly string[]): Map<string, string> {
  const given = new Map<string, string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const match = /^--?([^-=][^=]*)(?:=([^]*))?$/.exec(word);
    if (!match) throw new FlagError(`"${word}" is not a valid flag`);
    const [, name = "", value] = match;
    const kind = FLAGS.get(name)?.kind ?? PROGRAM_FLAGS.get(name);
    if (kind === undefined) {
      const remedy = "docs/store.md lists the flags; r2k store --help prints them";
      throw new FlagError(`flag provided but not defined: -${name}`, remedy);
    }
    if (value !== undefined) given.set(name, value);
    else if (kind === "switch") given.set(name, "true");
    else {
      const next = words[++at];
      if (next === undefined) throw new FlagError(`flag needs an argument: -${name}`);
      given.set(name, next);
    }
  }
  return given;
}
