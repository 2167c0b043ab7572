/** Lists whose items are unique: those of type `set`, and by their keys those of type `map`. */
import { duplicate, type FieldError, invalid } from "@raft2kube/api/errors.ts";
import { isObject, type JsonObject } from "@raft2kube/apimachinery/json/json.ts";
import { memberSchema } from "./defaults.ts";
import { firstErrors } from "./findings.ts";
import { ordered } from "./go-text.ts";
import type { Structural } from "./structural.ts";

/** The errors of doubled items anywhere in a value. */
export function validateLists(
  schema: Structural | undefined,
  value: unknown,
  path = "",
): FieldError[] {
  if (schema === undefined) return [];
  if (Array.isArray(value)) {
    const { items } = schema;
    const below =
      items === undefined
        ? []
        : value.flatMap((item, index) => validateLists(items, item, `${path}[${index}]`));
    return firstErrors([...validateList(schema, value, path), ...below]);
  }
  if (!isObject(value)) return [];
  return firstErrors(
    Object.entries(value).flatMap(([name, member]) => {
      const property = schema.properties?.get(name);
      if (property === undefined) {
        return validateLists(memberSchema(schema), member, `${path}[${name}]`);
      }
      return validateLists(property, member, path === "" ? name : `${path}.${name}`);
    }),
  );
}

function validateList(schema: Structural, value: readonly unknown[], path: string): FieldError[] {
  switch (schema.listType) {
    case "set":
      return doubled(value).map((at) => duplicate(`${path}[${at}]`, ordered(value[at])));
    case "map":
      return validateMap(schema.listKeys ?? [], value, path);
    default:
      return [];
  }
}

function validateMap(
  names: readonly string[],
  value: readonly unknown[],
  path: string,
): FieldError[] {
  const stranger = value.findIndex((item) => item !== null && !isObject(item));
  if (stranger !== -1) {
    const rule = "must be an object for an array of list-type map";
    return [invalid(`${path}[${stranger}]`, value[stranger], rule)];
  }
  const keys = value.map((item) => keyOf(names, item as JsonObject | null));
  return doubled(keys).map((at) => duplicate(`${path}[${at}]`, ordered(keys[at])));
}

/** The members of an item that are its key; those that it lacks are left out. */
function keyOf(names: readonly string[], item: JsonObject | null): JsonObject {
  // lab:21 begin key-of
  if (item === null) return {};
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(item, name)).map((name) => [name, item[name]]),
  );
  // lab:21 end
}

/** The places of second occurrences; of later ones nothing is said. */
function doubled(values: readonly unknown[]): number[] {
  // lab:21 begin doubled
  const seen = new Map<unknown, number>();
  return values.flatMap((value, index) => {
    const key = typeof value === "object" ? keyText(value) : value;
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    return times === 1 ? [index] : [];
  });
  // lab:21 end
}

/** A text that equal values share in any order of their members. No given text is equal to it. */
const keyText = (value: unknown): string => `\0${JSON.stringify(ordered(value))}`;
