import { countValues } from "@raft2kube/std/count-values.ts";
import { isRecord } from "@raft2kube/std/record.ts";
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

/**
 * The fields of a JSON object, taken out one by one with their types checked. Go writes what is
 * empty as null, so null is the same as a field that is not there.
 */
export class Fields {
  readonly #object: Record<string, unknown>;
  readonly #what: string;
  readonly #refuse: (what: string) => RuntimeError;

  /** `refuse` makes the error of what is wrong; by default that of a malformed image. */
  constructor(value: unknown, what: string, refuse: (what: string) => RuntimeError = malformed) {
    if (!isRecord(value)) throw refuse(`${what} is not an object`);
    this.#object = value;
    this.#what = what;
    this.#refuse = refuse;
  }

  /** Throws for a field of a name that is not among these. */
  allow(...names: readonly string[]): void {
    const other = Object.keys(this.#object).find((name) => !names.includes(name));
    if (other !== undefined) throw this.wrong(other, "is not supported");
  }

  raw(name: string): unknown {
    return Object.hasOwn(this.#object, name) ? (this.#object[name] ?? undefined) : undefined;
  }

  /** Programs written in C see a text end at a zero byte: none may have one. */
  text(name: string): string | undefined {
    const value = this.raw(name);
    if (value === undefined || isText(value)) return value;
    throw this.wrong(name, "is not a text");
  }

  texts(name: string): string[] | undefined {
    const value = this.list(name);
    if (value === undefined || value.every(isText)) return value as string[] | undefined;
    throw this.wrong(name, "is not a list of texts");
  }

  list(name: string): unknown[] | undefined {
    const value = this.raw(name);
    if (value === undefined || Array.isArray(value)) return value;
    throw this.wrong(name, "is not a list");
  }

  /** One of some texts; an empty one is none. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const text = this.text(name) || undefined;
    const found = choices.find((choice) => choice === text);
    if (found === text) return found;
    throw this.wrong(name, `is none of ${choices.join(", ")}`);
  }

  /** A whole number from 0 to 2^32 - 1. */
  integer(name: string): number | undefined {
    const value = this.raw(name);
    if (value === undefined || isId(value)) return value;
    throw this.wrong(name, "is no whole number from 0 on");
  }

  integers(name: string): number[] | undefined {
    const value = this.list(name);
    if (value === undefined || value.every(isId)) return value;
    throw this.wrong(name, "is no list of whole numbers from 0 on");
  }

  fields(name: string): Fields | undefined {
    const value = this.raw(name);
    return value === undefined ? undefined : new Fields(value, this.#path(name), this.#refuse);
  }

  /** A list of objects. */
  each(name: string): Fields[] {
    return (this.list(name) ?? []).map((value, i) => {
      return new Fields(value, `${this.#path(name)}[${i}]`, this.#refuse);
    });
  }

  /** An object whose values are texts. */
  textsByName(name: string): Record<string, string> | undefined {
    const value = this.raw(name);
    if (value === undefined) return undefined;
    if (!isRecord(value)) throw this.wrong(name, "is not an object");
    if (Object.values(value).every(isText)) return value as Record<string, string>;
    throw this.wrong(name, "has a value that is not a text");
  }

  /** The error of a field that is wrong for this reason. */
  wrong(name: string, why: string): RuntimeError {
    return this.#refuse(`${this.#path(name)} ${why}`);
  }

  #path(name: string): string {
    return `${this.#what}.${name}`;
  }
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 32;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && !value.includes("\0");
}
