import { goDuration_ms, goSwitch } from "@raft2kube/std/go-values.ts";
import { checkGate } from "./feature-gates.ts";
import { FlagError, SettingError } from "./flag-error.ts";
import { FLAGS, type Flag } from "./flag-table.ts";

/** A member's settings from flags, environment or file. */
export class Settings {
  readonly #given = new Map<string, string>();
  readonly #gates = new Map<string, boolean>();
  /** Warnings to print before the member starts. */
  readonly warnings: string[] = [];

  /** Validates each value for its type and for support. */
  constructor(given: ReadonlyMap<string, string>) {
    // Of the other pairs of an old and a new flag, etcd takes one.
    const unary = "warning-unary-request-duration";
    if (given.has(unary) && given.has(`experimental-${unary}`)) {
      throw new SettingError(`--${unary} and --experimental-${unary} are both set: give one`);
    }
    for (const [name, value] of given) this.#take(FLAGS.get(name)!, value);
    const gates = this.text("feature-gates");
    for (const gate of gates === "" ? [] : gates.split(",")) {
      const [name = "", value = ""] = gate.split("=");
      this.#gate("--feature-gates", name, value);
    }
  }

  has(name: string): boolean {
    return this.#given.has(name);
  }

  /** Whether a feature is asked for. */
  gate(name: string): boolean {
    return this.#gates.get(name) ?? false;
  }

  text(name: string): string {
    return this.#given.get(name) ?? FLAGS.get(name)?.fallback ?? "";
  }

  /** The text, or undefined when it is empty. */
  path(name: string): string | undefined {
    const text = this.text(name);
    return text === "" ? undefined : text;
  }

  on(name: string): boolean {
    return goSwitch(this.text(name)) === true;
  }

  number(name: string): number {
    return Number(this.text(name));
  }

  duration_ms(name: string): number {
    return goDuration_ms(this.text(name)) ?? 0;
  }

  /** Sets what follows from other flags. */
  set(name: string, text: string): void {
    this.#given.set(name, text);
  }

  list(name: string): string[] {
    const text = this.text(name);
    return text === "" ? [] : [...new Set(text.split(","))];
  }

  #take(flag: Flag, value: string): void {
    const { name, use } = flag;
    checkKind(flag, value);
    switch (use.does) {
      case "acts":
        this.#given.set(name, value);
        return;
      case "renamed":
        this.warnings.push(`--${name} is deprecated: use --${use.to}`);
        return this.#take(FLAGS.get(use.to)!, value);
      case "gate":
        this.warnings.push(`--${name} is deprecated: use --feature-gates=${use.gate}=${value}`);
        return this.#gate(`--${name}`, use.gate, value);
      case "nothing":
        this.warnings.push(`--${name} changes nothing: ${use.why}`);
        return;
      case "only": {
        const wanted = flag.kind === "switch" ? String(goSwitch(value)) : value;
        if (use.values.includes(wanted)) return;
        throw new FlagError(`--${name}=${value} is not supported: ${use.why}`);
      }
    }
  }

  #gate(flag: string, name: string, value: string): void {
    this.#gates.set(name, checkGate(flag, name, value));
  }
}

function checkKind({ name, kind }: Flag, value: string): void {
  const wrong = (what: string) =>
    new FlagError(`invalid value "${value}" for flag -${name}: ${what}`);
  if (kind === "number" && !/^[0-9]{1,15}$/.test(value)) throw wrong("a whole number is needed");
  if (kind === "signed" && !/^-?[0-9]{1,15}$/.test(value)) throw wrong("a number is needed");
  if (kind === "switch" && goSwitch(value) === undefined) throw wrong("true or false is needed");
  if (kind === "duration" && goDuration_ms(value) === undefined) {
    throw wrong("a duration such as 5s or 1h30m is needed");
  }
}
