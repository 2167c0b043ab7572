import { parseDuration } from "@raft2kube/api/duration.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/** A configuration file is invalid; `message` names the field and the reason. */
export class ConfigFileError extends CodedError {
  override readonly name = "ConfigFileError";

  constructor(kind: string, field: string, problem: string) {
    super("CONFIG_FILE", `${kind}: ${field}: ${problem}`);
  }
}

/** Null and an empty text are as good as no value. */
const isMissing = (value: unknown): boolean =>
  value === undefined || value === null || value === "";

/**
 * An object of a configuration file. Its fields are read by name; all methods throw
 * ConfigFileError, which names the kind of the file and the place of the field.
 */
export class ConfigFields {
  readonly #kind: string;
  readonly #at: string;
  readonly #fields: Readonly<Record<string, unknown>>;

  private constructor(kind: string, at: string, value: unknown, known?: readonly string[]) {
    this.#kind = kind;
    this.#at = at;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ConfigFileError(kind, at, "must be an object");
    }
    this.#fields = value as Record<string, unknown>;
    const unknown = known && this.names.find((name) => !known.includes(name));
    if (unknown !== undefined) this.refuse(unknown, "is not a field of it");
  }

  /** A whole file without a version, of such fields and no others. */
  static of(kind: string, value: unknown, known: readonly string[]): ConfigFields {
    return new ConfigFields(kind, "", value, known);
  }

  /** A whole file of a kind in one of the versions, with these fields and no others. */
  static file(
    kind: string,
    value: unknown,
    versions: readonly string[],
    known: readonly string[],
  ): ConfigFields {
    const given = new ConfigFields(kind, "", value).#fields;
    if (given["kind"] !== kind || !versions.some((each) => each === given["apiVersion"])) {
      const found = `${JSON.stringify(given["kind"])} of ${JSON.stringify(given["apiVersion"])}`;
      const wanted = `must be ${kind} of ${versions.join(" or ")}`;
      throw new ConfigFileError(kind, "kind", `${wanted}, not ${found}`);
    }
    return new ConfigFields(kind, "", value, ["kind", "apiVersion", ...known]);
  }

  /** The same of a text, YAML or JSON. */
  static async read(
    kind: string,
    text: string,
    versions: readonly string[],
    known: readonly string[],
  ): Promise<ConfigFields> {
    const { yamlValue } = await import("./yaml.ts");
    return ConfigFields.file(kind, yamlValue(text), versions, known);
  }

  /** The names of the fields that are there. */
  get names(): string[] {
    return Object.keys(this.#fields);
  }

  has(name: string): boolean {
    return !isMissing(this.#fields[name]);
  }

  /** The object as it was given. */
  get fields(): Readonly<Record<string, unknown>> {
    return this.#fields;
  }

  /** Refuses a field, or the object where `name` is empty. */
  refuse(name: string, problem: string): never {
    throw new ConfigFileError(this.#kind, this.#place(name), problem);
  }

  #place(name: string): string {
    return this.#at === "" || name === "" ? this.#at + name : `${this.#at}.${name}`;
  }

  /** A text; it may be missing if there is another one for that. */
  text(name: string, otherwise?: string): string {
    const value = this.#fields[name];
    if (otherwise !== undefined && isMissing(value)) return otherwise;
    if (typeof value === "string" && value !== "") return value;
    return this.refuse(name, "must be a text that is not empty");
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.#fields[name] ?? otherwise;
    return typeof value === "boolean" ? value : this.refuse(name, "must be true or false");
  }

  /** One of some texts. */
  choice<T extends string>(name: string, choices: readonly T[]): T {
    const found = choices.find((each) => each === this.#fields[name]);
    return found ?? this.refuse(name, `must be one of ${choices.join(", ")}`);
  }

  /** A duration of Go above zero, in milliseconds. */
  duration_ms(name: string, otherwise?: number): number {
    if (otherwise !== undefined && this.#fields[name] === undefined) return otherwise;
    const nanos = parseDuration(this.text(name));
    if (nanos === undefined || nanos <= 0n) return this.refuse(name, "must be a duration > 0s");
    return Math.max(1, Number(nanos / 1_000_000n));
  }

  /** An object, with these fields and no others; `otherwise` is one that is missing. */
  object(name: string, known?: readonly string[], otherwise?: object): ConfigFields {
    const value = this.#fields[name] ?? otherwise;
    return new ConfigFields(this.#kind, this.#place(name), value, known);
  }

  /** A list of objects; it may be missing, or empty, unless it is `required`. */
  objects(name: string, known?: readonly string[], { required = false } = {}): ConfigFields[] {
    return this.#list(name, required).map(
      (each, i) => new ConfigFields(this.#kind, `${this.#place(name)}[${i}]`, each, known),
    );
  }

  /** The same of texts, which are not empty in a list that is `required`. */
  texts(name: string, { required = false } = {}): string[] {
    return this.#list(name, required).map((each, i) => {
      if (typeof each === "string" && (each !== "" || !required)) return each;
      return this.refuse(`${name}[${i}]`, `must be a text${required ? " that is not empty" : ""}`);
    });
  }

  #list(name: string, required: boolean): unknown[] {
    const value = this.#fields[name];
    if (!required && isMissing(value)) return [];
    if (Array.isArray(value) && (value.length > 0 || !required)) return value;
    return this.refuse(name, `must be a list${required ? " that is not empty" : ""}`);
  }

  /** Refuses a list of which two items have the same value of a field; `of` reads it. */
  distinct<T>(
    name: string,
    field: string,
    items: readonly T[],
    of: (item: T) => string | undefined = String,
  ): void {
    const values = items.map(of).filter((value) => value !== undefined);
    const twice = values.find((value, i) => values.indexOf(value) < i);
    if (twice === undefined) return;
    this.refuse(name, `two items have the ${field} ${JSON.stringify(twice)}`);
  }
}
