import { Command, Option } from "commander";

/** A flag's text for the help, and whether it has a value without being given. */
type Flag =
  | string
  | readonly [text: string, otherwise: string]
  | { readonly text: string; readonly isRequired: true }
  | { readonly text: string; readonly isRepeated: true }
  | { readonly text: string; readonly choices: readonly string[]; readonly otherwise?: string };

/** The flags of a command by their form: `--name <value>`, `--name <values...>` or `--name`. */
export type FlagTable = Readonly<Record<string, Flag>>;

type Camel<S extends string> = S extends `${infer First}-${infer Rest}`
  ? `${First}${Capitalize<Camel<Rest>>}`
  : S;
type Word<Form> = Form extends `${infer Name} ${string}` ? Name : Form;
type NameOf<Form> = Form extends `-${string}, --${infer Name}`
  ? Camel<Word<Name>>
  : Form extends `--no-${infer Name}`
    ? Camel<Name>
    : Form extends `--${infer Name}`
      ? Camel<Word<Name>>
      : never;
type ValueOf<Form, F> = F extends { readonly choices: readonly (infer Choice)[] }
  ? Choice
  : F extends { readonly isRepeated: true }
    ? string[]
    : Form extends `${string},...>`
      ? string
      : Form extends `${string}...>`
        ? string[]
        : Form extends `${string}>`
          ? string
          : boolean;
type Sure =
  | readonly [string, string]
  | { isRequired: true }
  | { isRepeated: true }
  | { otherwise: string };

/** The values of flags, by the names that commander makes of them. */
export type FlagsOf<T extends FlagTable> = {
  [Form in keyof T as T[Form] extends Sure ? NameOf<Form> : never]: ValueOf<Form, T[Form]>;
} & {
  [Form in keyof T as T[Form] extends Sure ? never : NameOf<Form>]?: ValueOf<Form, T[Form]>;
};

export const required = (text: string) => ({ text, isRequired: true }) as const;

/** A flag that can be given several times. */
export const repeated = (text: string) => ({ text, isRepeated: true }) as const;

/** A flag that is true unless it is given as false, as Go's are. */
export const trueUnlessFalse = (text: string) =>
  ({ text, choices: ["true", "false"], otherwise: "true" }) as const;

/** A flag that is false unless it is given, alone or as true, as Go's are. */
export const falseUnlessTrue = (text: string) =>
  ({ text, choices: ["false", "true"], otherwise: "false" }) as const;

/** A flag of which only these values are supported; the first one holds where it is not given. */
export const only = <const C extends readonly [string, ...string[]]>(text: string, ...choices: C) =>
  ({ text, choices, otherwise: choices[0] }) as const;

/** Makes a command with these flags; one with arguments gets its action beside them. */
export function commandWith<const T extends FlagTable>(
  name: string,
  description: string,
  flags: T,
  run?: (flags: FlagsOf<T>, command: Command) => Promise<void>,
): Command {
  const command = new Command(name).description(description);
  for (const [form, flag] of Object.entries(flags)) command.addOption(optionOf(form, flag));
  return run ? command.action(run) : command;
}

function optionOf(form: string, flag: Flag): Option {
  if (typeof flag === "string") return new Option(form, flag);
  if (!("text" in flag)) return new Option(form, flag[0]).default(flag[1]);
  const option = new Option(form, flag.text);
  if ("isRequired" in flag) return option.makeOptionMandatory();
  if ("isRepeated" in flag) {
    return option.default([]).argParser((value, all: string[]) => [...all, value]);
  }
  if (form.endsWith("]")) option.preset("true");
  return option.choices(flag.choices).default(flag.otherwise);
}
