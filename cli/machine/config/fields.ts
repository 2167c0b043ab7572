import { isRecord } from "@raft2kube/std/record.ts";
import { CommandError } from "../../terminal.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** The types of single values; a `!` marks a field that upstream requires. */
interface Values {
  readonly text: string;
  readonly number: number;
  readonly flag: boolean;
  readonly texts: readonly string[];
  readonly values: Readonly<Record<string, string>>;
}
type ValueName = keyof Values | `${keyof Values}!`;

/** The supported fields of a document: each a single value, an object, or a list of objects. */
export type Form = { readonly [name: string]: ValueName | Form | readonly [Form] };

type ValueOf<F> = F extends keyof Values | `${infer _ extends keyof Values}!`
  ? Values[F extends `${infer Name extends keyof Values}!` ? Name : F & keyof Values]
  : F extends readonly [infer Item]
    ? readonly Of<Item>[]
    : Of<F>;

/** An object of a form. */
export type Of<F> = {
  readonly [K in keyof F as F[K] extends `${string}!` ? K : never]: ValueOf<F[K]>;
} & { readonly [K in keyof F as F[K] extends `${string}!` ? never : K]?: ValueOf<F[K]> };

/** A quantity, which Go writes as a string also where it is not set. */
const QUANTITY = /^logging\.options\.\w+\.infoBufferSize$/;

/** Returns whether Go's encoders write this value for the field at `path` that is not set. */
function isUnset(value: unknown, path: string): boolean {
  if (isRecord(value)) {
    return Object.entries(value).every(([name, inner]) => isUnset(inner, `${path}.${name}`));
  }
  if (Array.isArray(value)) return value.length === 0;
  if (value === "0") return QUANTITY.test(path);
  return [undefined, null, "", 0, false, "0s"].includes(value as never);
}

/** Returns whether a field that Go writes only where it is set has a value. */
function isChosen(value: unknown): boolean {
  if (isRecord(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null;
}

/**
 * The fields with a value that a form does not have, as dotted paths. Of the `pointers`, which have
 * another default, false and 0 are values too.
 */
function unknownFields(
  value: Fields,
  form: Form,
  pointers: readonly string[],
  above = "",
): string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = above + name;
    const known = Object.hasOwn(form, name) ? form[name] : undefined;
    const isSet = pointers.includes(path) ? isChosen(inner) : !isUnset(inner, path);
    if (typeof known === "string" || !isSet) return [];
    if (known instanceof Array && Array.isArray(inner)) {
      return inner.flatMap((item: unknown, index) => {
        const place = `${path}[${index}]`;
        return isRecord(item) ? unknownFields(item, known[0], pointers, `${place}.`) : [place];
      });
    }
    if (known === undefined || known instanceof Array || !isRecord(inner)) return [path];
    return unknownFields(inner, known, pointers, `${path}.`);
  });
}

/** Throws CommandError `CONFIG` naming every fault of a document. */
export function requireValid(what: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const remedy = "take the line or flag away, or see r2k config print for what is supported";
  throw new CommandError("CONFIG", `${what}: ${wrong.join("; ")}`, { remedy });
}

/** Throws CommandError `CONFIG` for a field with a value that is not known: nothing is ignored. */
export function refuseOthers(
  what: string,
  value: Fields,
  form: Form,
  pointers: readonly string[] = [],
): void {
  const others = unknownFields(value, form, pointers);
  requireValid(
    what,
    others.map((path) => `the field ${path} is not supported`),
  );
}

/** The value at a dotted path. */
export function at(value: Fields, path: string): unknown {
  const names = path.split(".");
  return names.reduce<unknown>((of, name) => (isRecord(of) ? of[name] : undefined), value);
}
