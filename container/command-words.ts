import type { Command, Option } from "commander";

/** Other spellings of flags, as docker has them. */
const FLAGS: Readonly<Record<string, string>> = {
  "--net": "--network",
  "--dns-opt": "--dns-option",
  "--timeout": "--time",
};

type Find = (name: string) => Option | undefined;

/**
 * Returns a command's words as commander reads them, from those that Go's flags allow: `--rm=true`
 * is `--rm`, `--rm=false` nothing, `-e=A` is `-e A`. Flags get the spelling that the command has.
 * Words after the image or container of `run` and `exec` are the program's.
 */
export function flagsAsHere(
  { options }: Pick<Command, "options">,
  words: readonly string[],
  { stopsAtOperand }: { stopsAtOperand: boolean },
): string[] {
  const find: Find = (name) => options.find(({ long, short }) => long === name || short === name);
  const made: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const isOperand = !/^-./.test(word);
    if (word === "--" || (stopsAtOperand && isOperand)) return [...made, ...words.slice(at)];
    const [, given = word, value] = /^(--[a-z-]+|-[a-zA-Z])=(.*)$/s.exec(word) ?? [];
    const name = find(given) ? given : (FLAGS[given] ?? given);
    const option = find(name);
    if (value === undefined) {
      made.push(name);
      if (!isOperand && takesNext(name, find)) made.push(...words.slice(++at, at + 1));
    } else if (option === undefined) made.push(word);
    else if (option.required) made.push(name, value);
    else if (/^(1|t|true)$/i.test(value)) made.push(name);
    else if (!/^(0|f|false)$/i.test(value)) made.push(word);
  }
  return made;
}

/** Whether the next word is the value of a flag, or of the last of short ones in one word. */
function takesNext(word: string, find: Find): boolean {
  if (word.startsWith("--")) return find(word)?.required ?? false;
  const letters = [...word.slice(1)];
  const first = letters.findIndex((letter) => find(`-${letter}`)?.required);
  return first >= 0 && first === letters.length - 1;
}
