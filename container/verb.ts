import { Command, Option } from "commander";
import type { FindHost, Host } from "./engine/host.ts";

/** A flag's description; and its value where it is not given, and the values that it may have. */
type About = string | { about: string; by?: string; choices?: readonly string[] };

/**
 * Flags by their words: `--rm` is a switch, `--no-trunc` one that is on by default, `--name <name>`
 * has a value, `--env <pair>...` is given once for each value.
 */
export type Flags = Readonly<Record<string, About>>;

/** The flag of a list's or document's form. */
export const FORMAT = { "-f, --format <format>": "json, or a template: {{.State.Pid}}" } as const;

type Camel<T extends string> = T extends `${infer A}-${infer B}`
  ? `${A}${Capitalize<Camel<B>>}`
  : T;
type Long<T> = T extends `${string}--${infer Rest}` ? Rest : never;
type NameOf<T> = Long<T> extends `${"no-" | ""}${infer Name}` ? Camel<FirstWord<Name>> : never;
type FirstWord<T extends string> = T extends `no-${infer Rest}`
  ? FirstWord<Rest>
  : T extends `${infer First} ${string}`
    ? First
    : T;
type ValueOf<T, A> = T extends `${string}>...`
  ? string[]
  : T extends `${string}>`
    ? A extends { by: string }
      ? string
      : string | undefined
    : boolean;

/** The values of flags. */
export type Given<F extends Flags> = { [T in keyof F & string as NameOf<T>]: ValueOf<T, F[T]> };

type Operand<T extends string> = T extends `${string}...${string}`
  ? string[]
  : T extends `[${string}`
    ? string | undefined
    : string;
type Operands<T extends string> = T extends `${infer First} ${infer Rest}`
  ? [Operand<First>, ...Operands<Rest>]
  : [Operand<T>];
type OperandsOf<Usage extends string> = Usage extends `${string} ${infer Rest}`
  ? Operands<Rest>
  : [];

/** One of docker's words, made where its host is known. */
export type Verb = (find: FindHost) => Command;

/** The operands of which the words after the first are a program's. */
export const isProgram = (command: Command): boolean =>
  command.registeredArguments.some((operand) => operand.name() === "command");

/** Returns a flag as commander has it. */
export function optionOf(flags: string, given: About): Option {
  const { about, by, choices }: Exclude<About, string> =
    typeof given === "string" ? { about: given } : given;
  const option = new Option(flags.replace(/\.\.\.$/, ""), about).default(by);
  if (choices) option.choices(choices);
  if (!flags.endsWith("...")) return option;
  return option.argParser((value: string, all: string[] = []) => [...all, value]);
}

/** Adds flags to a command. */
export function addFlags(command: Command, flags: Flags): Command {
  for (const [words, about] of Object.entries(flags)) command.addOption(optionOf(words, about));
  return command;
}

const isMany = ({ parseArg, argChoices }: Option) => parseArg !== undefined && !argChoices;

/** The values of a command's flags; a switch that was not given is false, a list has nothing. */
export function flagsOf<F extends Flags>(command: Command): Given<F> {
  const none = command.options.map((option) => {
    return [option.attributeName(), option.isBoolean() ? false : isMany(option) ? [] : undefined];
  });
  return { ...Object.fromEntries(none), ...command.opts<Given<F>>() };
}

/**
 * A verb by its usage, `cp <from> <to>` or `ls|list`, and its flags. A last operand `command...`
 * is a program's words, among which no flags are looked for.
 */
export function verb<const Usage extends string, const F extends Flags>(
  usage: Usage,
  about: string,
  flags: F,
  act: (host: Host, operands: OperandsOf<Usage>, flags: Given<F>) => Promise<void>,
): Verb {
  return (find) => {
    const [names = "", ...operands] = usage.split(" ");
    const [name, alias] = names.split("|");
    const command = addFlags(new Command(name).description(about), flags);
    if (alias !== undefined) command.alias(alias);
    if (operands.length > 0) command.arguments(operands.join(" "));
    if (isProgram(command)) command.passThroughOptions();
    // `-h` is a flag of run.
    if (command.options.some(({ short }) => short === "-h")) command.helpOption("--help");
    return command.action(async () =>
      act(await find(), command.processedArgs as OperandsOf<Usage>, flagsOf<F>(command)),
    );
  };
}

/** A word before others: `volume ls`. */
export const group =
  (name: string, about: string, ...verbs: Verb[]): Verb =>
  (find) => {
    const command = new Command(name).description(about);
    for (const each of verbs) command.addCommand(each(find));
    return command;
  };
