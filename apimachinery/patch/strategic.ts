import {
  type Field,
  listRuleOf,
  type SchemaRef,
  type Shape,
  structOf,
} from "@raft2kube/api/schema.ts";
import { ApiError } from "../errors/api-error.ts";
import { badRequest } from "../errors/catalog.ts";
import { isObject, type Json, type JsonObject, memberOf, setMember } from "../json/json.ts";
import { STRATEGIC_REPEATS_CHARS_MAX } from "../limits.ts";
import { DIRECTIVES, goMap, idOfValue, unfit } from "./directives.ts";
import { mergeKeyedList, mergeScalarList } from "./strategic-list.ts";

/**
 * Merges `patch` into a copy of `document` as the fields' patch strategies say (upstream's
 * strategicpatch). `schema` is the structure's name, e.g. `apps/v1.Deployment`.
 */
export const strategicMerge = (
  schema: SchemaRef,
  document: JsonObject,
  patch: JsonObject,
): JsonObject => mergeStruct(schema, document, patch, new Repeats());

/** The items that a patch merges again, as it has their key more than once in a list. */
class Repeats {
  #chars = 0;

  /** Throws 413 when they are too large together. */
  count(item: JsonObject): void {
    this.#chars += JSON.stringify(item).length;
    if (this.#chars <= STRATEGIC_REPEATS_CHARS_MAX) return;
    const message =
      "The patch has keys more than once in its lists, and merges more than " +
      `${STRATEGIC_REPEATS_CHARS_MAX} characters of items again: give each key once`;
    throw new ApiError({ code: 413, reason: "RequestEntityTooLarge", message });
  }
}

function mergeStruct(
  schema: SchemaRef | undefined,
  original: JsonObject,
  patch: JsonObject,
  repeats: Repeats,
): JsonObject {
  const directive = patch[DIRECTIVES.patch];
  if (directive === "replace") return without(patch, DIRECTIVES.patch);
  if (directive === "delete") return {};
  if (directive !== undefined) {
    throw unfit(`unknown patch type: ${String(directive)} in map: ${goMap(patch)}`);
  }
  const result = retained(original, patch);
  const fields = schema === undefined ? undefined : structOf(schema).fields;
  for (const [name, value] of Object.entries(patch)) {
    if (name === DIRECTIVES.patch || name === DIRECTIVES.retainKeys) continue;
    if (isListDirective(name)) {
      if (!Array.isArray(value)) throw noList(value);
      continue;
    }
    const field = fields?.get(name);
    if (value === null) delete result[name];
    else setMember(result, name, mergeField(field, memberOf(result, name), value, patch, repeats));
  }
  applyListDirectives(fields, result, patch, repeats);
  return result;
}

function without(object: JsonObject, name: string): JsonObject {
  const { [name]: _dropped, ...rest } = object;
  return rest;
}

const isListDirective = (name: string): boolean =>
  name.startsWith(DIRECTIVES.anyElementOrder) ||
  name.startsWith(DIRECTIVES.deleteFromPrimitiveList);

/** 500, as upstream, for a directive about a list that is none. */
function noList(value: Json): ApiError {
  const message = `expected a []interface {}, but received a ${goType(value)}`;
  return new ApiError({ code: 500, reason: "", message });
}

function goType(value: Json): string {
  if (value === null || value === undefined) return "<nil>";
  if (typeof value === "object") return "map[string]interface {}";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "string") return "string";
  return Number.isInteger(value) ? "int64" : "float64";
}

/** `$retainKeys` names all keys that may stay: of a union, the others are cleared. */
function retained(original: JsonObject, patch: JsonObject): JsonObject {
  const keys = patch[DIRECTIVES.retainKeys];
  if (keys === undefined) return { ...original };
  if (!Array.isArray(keys)) throw badRequest("$retainKeys must be a list of strings");
  const kept = new Set<unknown>(keys);
  return Object.fromEntries(Object.entries(original).filter(([name]) => kept.has(name)));
}

function mergeField(
  field: Field | undefined,
  original: Json,
  value: Json,
  patch: JsonObject,
  repeats: Repeats,
): Json {
  if (Array.isArray(value)) return mergeList(field, original, value, patch, repeats);
  if (!isObject(value)) return value;
  if (field !== undefined && listRuleOf(field).patch.includes("replace")) {
    return without(value, DIRECTIVES.patch);
  }
  const base = isObject(original) ? original : {};
  return mergeStruct(structName(field?.shape), base, value, repeats);
}

/** Maps and special values merge as objects without a structure; their members merge in turn. */
function structName(shape: Shape | undefined): SchemaRef | undefined {
  return shape?.is === "struct" ? shape.of : undefined;
}

function mergeList(
  field: Field | undefined,
  original: Json,
  items: Json[],
  patch: JsonObject,
  repeats: Repeats,
): Json {
  const rule = field && listRuleOf(field);
  if (field === undefined || rule === undefined || !rule.patch.includes("merge")) {
    return items.map((item) => stripped(item));
  }
  const order = patch[DIRECTIVES.setElementOrder + field.fact.name];
  const base: Json[] = Array.isArray(original) ? original : [];
  if (rule.mergeKey === undefined) return mergeScalarList(base, items, asList(order));
  const schema = field.shape.is === "list" ? structName(field.shape.of) : undefined;
  return mergeKeyedList(rule.mergeKey, base, items, asList(order), (old, item, isAgain) => {
    if (isAgain) repeats.count(old);
    return mergeStruct(schema, old, item, repeats);
  });
}

const stripped = (item: Json): Json => (isObject(item) ? without(item, DIRECTIVES.patch) : item);

function asList(value: Json): Json[] | undefined {
  return Array.isArray(value) ? (value as Json[]) : undefined;
}

/** Directives about a list whose own field the patch does not carry. */
function applyListDirectives(
  fields: ReadonlyMap<string, Field> | undefined,
  result: JsonObject,
  patch: JsonObject,
  repeats: Repeats,
): void {
  for (const [directive, value] of Object.entries(patch)) {
    if (directive.startsWith(DIRECTIVES.deleteFromPrimitiveList)) {
      const name = directive.slice(DIRECTIVES.deleteFromPrimitiveList.length);
      const gone = new Set((asList(value) ?? []).map(idOfValue));
      const list = asList(memberOf(result, name));
      if (!list) continue;
      setMember(
        result,
        name,
        list.filter((item) => !gone.has(idOfValue(item))),
      );
    } else if (directive.startsWith(DIRECTIVES.setElementOrder)) {
      const name = directive.slice(DIRECTIVES.setElementOrder.length);
      const field = fields?.get(name);
      if (memberOf(patch, name) !== undefined || field === undefined) continue;
      const list = asList(memberOf(result, name));
      if (list) setMember(result, name, mergeList(field, list, [], patch, repeats));
    }
  }
}
