import { DecodeError } from "@raft2kube/api/codec/decode-error.ts";
import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { parseDuration } from "@raft2kube/api/duration.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { isObject } from "./json/json.ts";

/** A configuration file is invalid; `message` names the field and the reason. */
export class ConfigFileError extends CodedError {
  constructor(kind: string, field: string, problem: string) {
    super("CONFIG_FILE", [kind, field, problem].filter((part) => part !== "").join(": "));
  }
}

/** A decoded configuration file, and its place for errors. */
export interface ConfigFile<T> {
  readonly config: T;
  readonly at: Place;
}

/**
 * Decodes a parsed configuration file by a type of the facts, which names its kind
 * (`audit/v1.Policy`), as objects of the API are: null counts as absent. Throws ConfigFileError for
 * unknown fields, another kind, and a version that is none of these.
 */
export function configFile<T>(
  type: string,
  versions: readonly string[],
  value: unknown,
): ConfigFile<T> {
  const at = new Place(type.slice(type.indexOf(".") + 1));
  if (!isObject(value)) return at.refuse("", "must be an object");
  const { kind, apiVersion, ...fields } = value;
  if (kind !== at.kind || !versions.some((each) => each === apiVersion)) {
    const found = `${JSON.stringify(kind)} of ${JSON.stringify(apiVersion)}`;
    at.refuse("kind", `must be ${at.kind} of ${versions.join(" or ")}, not ${found}`);
  }
  try {
    const { object, unknownFields } = decodeJson<T>(type, fields);
    if (unknownFields[0] !== undefined) at.refuse(unknownFields[0], NO_FIELD);
    return { config: object, at };
  } catch (thrown) {
    if (thrown instanceof DecodeError) at.refuse("", thrown.message);
    throw thrown;
  }
}

/** Decodes a configuration file in YAML or JSON, as `configFile` does. */
export async function readConfigFile<T>(
  type: string,
  versions: readonly string[],
  text: string,
): Promise<ConfigFile<T>> {
  const { yamlValue } = await import("./yaml.ts");
  return configFile(type, versions, yamlValue(text));
}

const NO_FIELD = "is not a field of it here";

/** A place in a configuration file. The methods check its fields and throw ConfigFileError. */
export class Place {
  readonly kind: string;
  readonly #at: string;

  constructor(kind: string, at = "") {
    this.kind = kind;
    this.#at = at;
  }

  #path(field: string): string {
    return this.#at === "" || field === "" ? this.#at + field : `${this.#at}.${field}`;
  }

  /** The place of a field's value. */
  in(field: string): Place {
    return new Place(this.kind, this.#path(field));
  }

  /** Refuses a field, or all of it where `field` is empty. */
  refuse(field: string, problem: string): never {
    throw new ConfigFileError(this.kind, this.#path(field), problem);
  }

  /** Refuses a field for the problem of a text rule, if it has one. */
  check(field: string, [problem]: readonly string[]): void {
    if (problem !== undefined) this.refuse(field, problem);
  }

  /** Refuses fields that have a value; an empty text is none. */
  none<T extends object>(of: T, ...fields: (keyof T & string)[]): void {
    const given = fields.find((field) => of[field] !== undefined && of[field] !== "");
    if (given !== undefined) this.refuse(given, NO_FIELD);
  }

  /** A text that is not empty. */
  text(field: string, value: string | undefined): string {
    return value || this.refuse(field, "must be a text that is not empty");
  }

  /** One of some texts. */
  choice<T extends string>(field: string, value: string | undefined, choices: readonly T[]): T {
    const found = choices.find((each) => each === value);
    return found ?? this.refuse(field, `must be one of ${choices.join(", ")}`);
  }

  /** A duration above zero, in milliseconds. */
  duration_ms(field: string, value: string | undefined, otherwise_ms?: number): number {
    if (value === undefined && otherwise_ms !== undefined) return otherwise_ms;
    const nanos = parseDuration(value ?? "");
    if (nanos === undefined || nanos <= 0n) return this.refuse(field, "must be a duration > 0s");
    return Math.max(1, Number(nanos / 1_000_000n));
  }

  /** A list that is not empty. */
  some<T>(field: string, items: readonly T[] | undefined): readonly T[] {
    return items?.length ? items : this.refuse(field, "must be a list that is not empty");
  }

  /** Reads the items of a list, each at its place. */
  each<T, R>(field: string, items: readonly T[] = [], read: (item: T, at: Place) => R): R[] {
    return items.map((item, i) => read(item, this.in(`${field}[${i}]`)));
  }

  /** Refuses a list of which two items have one value of a field, not empty; `of` reads it. */
  distinct<T>(
    field: string,
    name: string,
    items: readonly T[],
    of: (item: T) => string | undefined = String,
  ): void {
    const values = items.map(of).filter((value) => value !== undefined && value !== "");
    const twice = values.find((value, i) => values.indexOf(value) < i);
    if (twice === undefined) return;
    this.refuse(field, `two items have the ${name} ${JSON.stringify(twice)}`);
  }
}
