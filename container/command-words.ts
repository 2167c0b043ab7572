import { goSwitch } from "@raft2kube/std/go-values.ts";
import type { Command, Option } from "commander";

/** Other spellings of flags, as docker has them. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ["--net", "--network"],
  ["--dns-opt", "--dns-option"],
  ["--timeout", "--time"],
]);

type Find = (name: string) => Option | undefined;

/**
 * Returns a command's words as commander reads them, from those that Go's flags allow: `--rm=true`
 * is `--rm`, `--rm=false` takes that back, `-e=A` is `-e A`. Flags get the spelling that the
 * command, or its subcommand, has. Words after the image or container of `run` and `exec` are the
 * program's.
 */
export function flagsAsHere(
  { options, commands }: Pick<Command, "options" | "commands">,
  words: readonly string[],
  { stopsAtOperand }: { stopsAtOperand: boolean },
): string[] {
  const [first = "", ...others] = words;
  const inner = commands.find((each) => [each.name(), ...each.aliases()].includes(first));
  if (inner) return [first, ...flagsAsHere(inner, others, { stopsAtOperand })];
  const find: Find = (name) => options.find(({ long, short }) => long === name || short === name);
  const made: { words: readonly string[]; option?: Option | undefined }[] = [];
  const text = () => made.flatMap((each) => each.words);
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    const isOperand = !/^-./.test(word);
    if (word === "--" || (stopsAtOperand && isOperand)) return [...text(), ...words.slice(at)];
    const [, given = word, value] = /^(--[a-z-]+|-[a-zA-Z])=(.*)$/s.exec(word) ?? [];
    const name = find(given) ? given : (FLAGS.get(given) ?? given);
    const option = find(name);
    if (value === undefined) {
      const next = !isOperand && takesNext(name, find) ? words.slice(++at, at + 1) : [];
      made.push({ words: [name, ...next], option });
    } else if (option === undefined) made.push({ words: [word] });
    else if (option.required) made.push({ words: [name, value], option });
    else if (goSwitch(value)) made.push({ words: [name], option });
    else if (goSwitch(value) === undefined) made.push({ words: [word] });
    else for (const each of made) if (each.option === option) each.words = [];
  }
  return text();
}

/** Whether the next word is the value of a flag, or of the last of short ones in one word. */
function takesNext(word: string, find: Find): boolean {
  if (word.startsWith("--")) return find(word)?.required ?? false;
  const letters = [...word.slice(1)];
  const first = letters.findIndex((letter) => find(`-${letter}`)?.required);
  return first >= 0 && first === letters.length - 1;
}
