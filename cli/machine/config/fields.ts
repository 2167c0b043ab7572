import { CommandError } from "../../terminal.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns whether Go's encoders write this value for a field that is not set. */
function isUnset(value: unknown): boolean {
  if (isObject(value)) return Object.values(value).every(isUnset);
  if (Array.isArray(value)) return value.length === 0;
  return [undefined, null, "", 0, false, "0s"].includes(value as never);
}

/** The fields with a value that are not among `known`, as dotted paths; a list is one field. */
export function unknownFields(value: Fields, known: readonly string[], above = ""): string[] {
  return Object.entries(value).flatMap(([name, inner]) => {
    const path = above + name;
    if (known.includes(path) || isUnset(inner)) return [];
    const goesOn = known.some((each) => each.startsWith(`${path}.`));
    return goesOn && isObject(inner) ? unknownFields(inner, known, `${path}.`) : [path];
  });
}

/** Throws CommandError `CONFIG` naming every fault of a document. */
export function requireValid(what: string, wrong: readonly string[]): void {
  if (wrong.length === 0) return;
  const remedy = "take the line away, or see r2k config print for what is supported";
  throw new CommandError("CONFIG", `${what}: ${wrong.join("; ")}`, { remedy });
}

/** Throws CommandError `CONFIG` for a field with a value that is not known: nothing is ignored. */
export function refuseOthers(what: string, value: Fields, known: readonly string[]): void {
  const others = unknownFields(value, known);
  requireValid(what, others.map((path) => `the field ${path} is not supported`));
}

/** The value at a dotted path. */
export function at(value: Fields, path: string): unknown {
  const names = path.split(".");
  return names.reduce<unknown>((of, name) => (isObject(of) ? of[name] : undefined), value);
}
