import { parseDuration } from "@raft2kube/api/duration.ts";
import { CodedError } from "@raft2kube/std/errors.ts";

/** A configuration file is invalid; `message` names the field and the reason. */
export class ConfigFileError extends CodedError {
  constructor(kind: string, field: string, problem: string) {
    super("CONFIG_FILE", `${kind}: ${field}: ${problem}`);
  }
}

/** Null and an empty text are as good as no value. */
const isMissing = (value: unknown): boolean =>
  value === undefined || value === null || value === "";

/**
 * An object of a configuration file. Its fields are read by name, and those that no reader asked
 * for are refused as unknown, once the whole file is read. All methods throw ConfigFileError, which
 * names the kind of the file and the place of the field.
 */
export class ConfigFields {
  readonly #kind: string;
  readonly #at: string;
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #asked = new Set<string>();
  readonly #inner: ConfigFields[] = [];

  private constructor(kind: string, at: string, value: unknown) {
    this.#kind = kind;
    this.#at = at;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new ConfigFileError(kind, at, "must be an object");
    }
    this.#fields = value as Record<string, unknown>;
  }

  /** Reads a whole file without a version. */
  static of<T>(kind: string, value: unknown, read: (fields: ConfigFields) => T): T {
    const whole = new ConfigFields(kind, "", value);
    const content = read(whole);
    whole.#refuseUnknown();
    return content;
  }

  /** Reads a whole file of a kind in one of the versions. */
  static file<T>(
    kind: string,
    value: unknown,
    versions: readonly string[],
    read: (fields: ConfigFields) => T,
  ): T {
    return ConfigFields.of(kind, value, (whole) => read(whole.#ofVersion(versions)));
  }

  /** Reads a text, YAML or JSON, of a kind in one of the versions. */
  static async read<T>(
    kind: string,
    text: string,
    versions: readonly string[],
    read: (fields: ConfigFields) => T,
  ): Promise<T> {
    const { yamlValue } = await import("./yaml.ts");
    return ConfigFields.file(kind, yamlValue(text), versions, read);
  }

  #ofVersion(versions: readonly string[]): this {
    const [kind, version] = [this.value("kind"), this.value("apiVersion")];
    if (kind === this.#kind && versions.some((each) => each === version)) return this;
    const found = `${JSON.stringify(kind)} of ${JSON.stringify(version)}`;
    return this.refuse("kind", `must be ${this.#kind} of ${versions.join(" or ")}, not ${found}`);
  }

  #refuseUnknown(): void {
    const unknown = Object.keys(this.#fields).find((it) => !this.#asked.has(it) && this.has(it));
    if (unknown !== undefined) this.refuse(unknown, "is not a field of it here");
    for (const each of this.#inner) each.#refuseUnknown();
  }

  /** The names of the fields that are there, which are all known with that. */
  get names(): string[] {
    return Object.keys(this.fields);
  }

  /** Whether a field has a value that is no empty text. */
  has(name: string): boolean {
    return !isMissing(this.value(name));
  }

  /** The object as it was given; all of its fields are known with that. */
  get fields(): Readonly<Record<string, unknown>> {
    for (const name of Object.keys(this.#fields)) this.#asked.add(name);
    return this.#fields;
  }

  /** The value of a field as it was given. */
  value(name: string): unknown {
    this.#asked.add(name);
    return this.#fields[name];
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
    const value = this.value(name);
    if (otherwise !== undefined && isMissing(value)) return otherwise;
    if (typeof value === "string" && value !== "") return value;
    return this.refuse(name, "must be a text that is not empty");
  }

  flag(name: string, otherwise: boolean): boolean {
    const value = this.value(name) ?? otherwise;
    return typeof value === "boolean" ? value : this.refuse(name, "must be true or false");
  }

  /** One of some texts. Throws ConfigFileError. */
  choice<T extends string>(name: string, choices: readonly T[]): T {
    const value = this.value(name);
    const found = choices.find((each) => each === value);
    return found ?? this.refuse(name, `must be one of ${choices.join(", ")}`);
  }

  /** A duration of Go above zero, in milliseconds. */
  duration_ms(name: string, otherwise?: number): number {
    if (otherwise !== undefined && this.value(name) === undefined) return otherwise;
    const nanos = parseDuration(this.text(name));
    if (nanos === undefined || nanos <= 0n) return this.refuse(name, "must be a duration > 0s");
    return Math.max(1, Number(nanos / 1_000_000n));
  }

  /** An object; `otherwise` is one that is missing. */
  object(name: string, otherwise?: object): ConfigFields {
    return this.#open(this.#place(name), this.value(name) ?? otherwise);
  }

  /** A list of objects; it may be missing, or empty, unless it is `required`. */
  objects(name: string, { required = false } = {}): ConfigFields[] {
    const at = this.#place(name);
    return this.#list(name, required).map((each, i) => this.#open(`${at}[${i}]`, each));
  }

  #open(at: string, value: unknown): ConfigFields {
    const opened = new ConfigFields(this.#kind, at, value);
    this.#inner.push(opened);
    return opened;
  }

  /** The same of texts, which are not empty in a list that is `required`. */
  texts(name: string, { required = false } = {}): string[] {
    return this.#list(name, required).map((each, i) => {
      if (typeof each === "string" && (each !== "" || !required)) return each;
      return this.refuse(`${name}[${i}]`, `must be a text${required ? " that is not empty" : ""}`);
    });
  }

  #list(name: string, required: boolean): unknown[] {
    const value = this.value(name);
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
