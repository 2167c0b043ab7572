import { CommandError } from "../../terminal.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A quantity, which Go writes as a string also where it is not set. */
const QUANTITY = /^logging\.options\.\w+\.infoBufferSize$/;

/** Returns whether Go's encoders write this value for the field at `path` that is not set. */
function isUnset(value: unknown, path: string): boolean {
  if (isObject(value)) {
    return Object.entries(value).every(([name, inner]) => isUnset(inner, `${path}.${name}`));
  }
  if (Array.isArray(value)) return value.length === 0;
  if (value === "0") return QUANTITY.test(path);
  return [undefined, null, "", 0, false, "0s"].includes(value as never);
}

/** Returns whether a field that Go writes only where it is set has a value. */
function isChosen(value: unknown): boolean {
  if (isObject(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null;
}

/**
 * The fields with a value that are not among `known`, as dotted paths. A list is one field, or
 * `list[].field` names those of its items. Of the `pointers`, which have another default, false and
 * 0 are values too.
 */
function unknownFields(
  value: Fields,
  known: readonly string[],
  pointers: readonly string[],
  above = "",
): string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = above + name;
    const form = path.replaceAll(/\[\d+\]/g, "[]");
    const isSet = pointers.includes(form) ? isChosen(inner) : !isUnset(inner, path);
    if (known.includes(form) || !isSet) return [];
    const goesOn = (mark: string) => known.some((each) => each.startsWith(form + mark));
    if (isObject(inner) && goesOn(".")) return unknownFields(inner, known, pointers, `${path}.`);
    if (!Array.isArray(inner) || !goesOn("[].")) return [path];
    return inner.flatMap((item: unknown, index) => {
      const place = `${path}[${index}]`;
      return isObject(item) ? unknownFields(item, known, pointers, `${place}.`) : [place];
    });
  });
}

/** Throws CommandError `CONFIG` naming every fault of a document. */
export function requireValid(what: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const remedy = "take the line away, or see r2k config print for what is supported";
  throw new CommandError("CONFIG", `${what}: ${wrong.join("; ")}`, { remedy });
}

/** Throws CommandError `CONFIG` for a field with a value that is not known: nothing is ignored. */
export function refuseOthers(
  what: string,
  value: Fields,
  known: readonly string[],
  pointers: readonly string[] = [],
): void {
  const others = unknownFields(value, known, pointers);
  requireValid(
    what,
    others.map((path) => `the field ${path} is not supported`),
  );
}

/** The value at a dotted path. */
export function at(value: Fields, path: string): unknown {
  const names = path.split(".");
  return names.reduce<unknown>((of, name) => (isObject(of) ? of[name] : undefined), value);
}
