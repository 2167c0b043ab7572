import { asError } from "@raft2kube/std/errors.ts";
import { Command, Option } from "commander";
import type { FindHost, Host } from "./engine/host.ts";
import { read } from "./run/values.ts";

/**
 * A flag's description; and its text where it is not given, the texts that it may have, and what
 * reads its text, for a flag that is given several times as a value or a list of them.
 */
type About =
  | string
  | { about: string; by?: string; choices?: readonly string[]; as?: (text: string) => unknown };

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
type FirstWord<T extends string> = T extends `${infer First} ${string}` ? First : T;
type NameOf<T> = T extends `${string}--no-${infer Name}`
  ? Camel<FirstWord<Name>>
  : T extends `${string}--${infer Name}`
    ? Camel<FirstWord<Name>>
    : never;
type Read<A> = A extends { as: (text: string) => infer R } ? R : string;
type Element<R> = R extends readonly (infer E)[] ? E : R;
type ValueOf<T, A> = T extends `${string}>...`
  ? Element<Read<A>>[]
  : T extends `${string}>`
    ? A extends { by: string }
      ? Read<A>
      : Read<A> | undefined
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

/** An error with the exit code of the process that it ends, unless it has one. */
export function withExitCode(thrown: unknown, exitCode: number): Error {
  const error = asError(thrown);
  return "exitCode" in error ? error : Object.assign(error, { exitCode });
}

/** docker's exit code of a command whose flags are wrong, or that failed before a program ran. */
export const FAILED_CODE = 125;

/** The flags that are given once for each value. */
const lists = new WeakSet<Option>();

/** Returns a flag as commander has it. */
export function optionOf(flags: string, given: About): Option {
  const {
    about,
    by,
    choices,
    as = (text: string): unknown => text,
  }: Exclude<About, string> = typeof given === "string" ? { about: given } : given;
  const option = new Option(flags.replace(/\.\.\.$/, ""), about).default(by && as(by), by);
  if (choices) return option.choices(choices);
  const value = (text: string) => {
    try {
      return read(option.long!, text, as);
    } catch (thrown) {
      throw withExitCode(thrown, FAILED_CODE);
    }
  };
  if (!flags.endsWith("...")) return option.argParser(value);
  lists.add(option);
  return option.argParser((text: string, all: unknown[] = []) => all.concat(value(text)));
}

/** Adds flags to a command. */
export function addFlags(command: Command, flags: Flags): Command {
  for (const [words, about] of Object.entries(flags)) command.addOption(optionOf(words, about));
  return command;
}

/** The values of a command's flags; a switch that was not given is false, a list has nothing. */
export function flagsOf<F extends Flags>(command: Command): Given<F> {
  const none = command.options.map((option) => {
    return [
      option.attributeName(),
      option.isBoolean() ? false : lists.has(option) ? [] : undefined,
    ];
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
