import { countValues } from "@raft2kube/std/count-values.ts";
import { RuntimeError } from "../errors.ts";
import { JSON_VALUES_MAX } from "../limits.ts";

/** An image's or registry's document does not match its specification. */
export const malformed = (what: string, cause?: unknown) =>
  new RuntimeError("invalid-argument", `malformed image: ${what}`, { cause });

/**
 * A JSON text from outside, of a bounded length; what is no JSON, or has more than JSON_VALUES_MAX
 * values, is invalid-argument.
 */
export function parseJson(bytes: Buffer, what: string): unknown {
  if (countValues(bytes, JSON_VALUES_MAX) > JSON_VALUES_MAX) {
    throw malformed(`${what} has more than ${JSON_VALUES_MAX} values`);
  }
  try {
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch (cause) {
    throw malformed(`${what} is not JSON`, cause);
  }
}

/** Whether a value of JSON is an object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * The fields of a JSON object, taken out one by one with their types checked. Go writes what is
 * empty as null, so null is the same as a field that is not there.
 */
export class Fields {
  readonly #object: Record<string, unknown>;
  readonly #what: string;

  constructor(value: unknown, what: string) {
    if (!isRecord(value)) throw malformed(`${what} is not an object`);
    this.#object = value;
    this.#what = what;
  }

  raw(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? (this.#object[name] ?? undefined) : undefined;
  }

  /** Programs written in C see a text end at a zero byte: none may have one. */
  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || isText(value)) return value;
    throw this.#wrong(name, "is not a text");
  }

  texts(name: string): string[] | undefined {
    const value = this.list(name);
    if (value === undefined || value.every(isText)) return value as string[] | undefined;
    throw this.#wrong(name, "is not a list of texts");
  }

  list(name: string): unknown[] | undefined {
    const value = this.raw(name);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.#wrong(name, "is not a list");
  }

  fields(name: string): Fields | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : new Fields(value, this.#path(name));
  }

  /** An object whose values are texts. */
  textsByName(name: string): Record<string, string> | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!isRecord(value)) throw this.#wrong(name, "is not an object");
    if (Object.values(value).every(isText)) return value as Record<string, string>;
    throw this.#wrong(name, "has a value that is not a text");
  }

  #wrong(name: string, why: string) {
    return malformed(`${this.#path(name)} ${why}`);
  }

  #path(name: string): string {
    return `${this.#what}.${name}`;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && !value.includes("\0");
}
