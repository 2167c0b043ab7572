/** The rules for lists with keys, sets, and maps that are replaced as a whole. */
import {
  type FieldError,
  forbidden,
  invalid,
  notSupported,
  required,
} from "@raft2kube/api/errors.ts";
import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { itemSchema } from "./walk.ts";

type Schema = JSONSchemaProps;

/** Errors about the keys of one list; upstream bounds none. */
const KEY_ERRORS_MAX = 16;
const LIST = "x-kubernetes-list-type";
const KEYS = "x-kubernetes-list-map-keys";
const MAP = "x-kubernetes-map-type";

/** The errors of `x-kubernetes-map-type`. */
export function validateMapType(schema: Schema, path: string): FieldError[] {
  const { type = "" } = schema;
  const map = schema[MAP];
  if (map === undefined) return [];
  const errors =
    type === "object" ? [] : [wrongType(type, path, `must be object if ${MAP} is specified`)];
  if (map !== "atomic" && map !== "granular") {
    errors.push(notSupported(`${path}.${MAP}`, map, ["atomic", "granular"]));
  }
  return errors;
}

function wrongType(type: string, path: string, why: string): FieldError {
  return type === "" ? required(`${path}.type`, why) : invalid(`${path}.type`, type, why);
}

/** The errors of `x-kubernetes-list-type` and its keys. */
export function validateListType(schema: Schema, path: string, anySet: boolean): FieldError[] {
  const { type = "" } = schema;
  const list = schema[LIST];
  const keys = schema[KEYS] ?? [];
  const errors: FieldError[] = [];
  if (list !== undefined && type !== "array") {
    errors.push(wrongType(type, path, `must be array if ${LIST} is specified`));
  } else if (!anySet && isSetOfMutable(schema)) {
    const items = itemSchema(schema)!;
    const name = items.type === "array" ? LIST : MAP;
    const rule = `must be atomic as item of a list with ${LIST}=set`;
    errors.push(invalid(`${path}.items.${name}`, items[LIST] ?? null, rule));
  }
  if (list !== undefined && !["atomic", "set", "map"].includes(list)) {
    errors.push(notSupported(`${path}.${LIST}`, list, ["atomic", "set", "map"]));
  }
  if (keys.length > 0 && list !== "map") {
    const why = `must be map if ${KEYS} is non-empty`;
    errors.push(
      list === undefined ? required(`${path}.${LIST}`, why) : invalid(`${path}.${LIST}`, list, why),
    );
  }
  return list === "map" ? [...errors, ...validateMapList(schema, keys, path)] : errors;
}

/** Whether a schema is of a set whose items can be changed in part: they have no identity. */
export function isSetOfMutable(schema: Schema): boolean {
  const items = itemSchema(schema);
  if (schema[LIST] !== "set" || items === undefined) return false;
  if (items.type === "array") return items[LIST] !== undefined && items[LIST] !== "atomic";
  return items.type === "object" && items[MAP] !== "atomic";
}

function validateMapList(schema: Schema, keys: readonly string[], path: string): FieldError[] {
  const errors =
    keys.length > 0 ? [] : [required(`${path}.${KEYS}`, `must not be empty if ${LIST} is map`)];
  if (schema.items === undefined) {
    return [...errors, required(`${path}.items`, `must have a schema if ${LIST} is map`)];
  }
  const items = itemSchema(schema);
  if (items === undefined) {
    const rule = `must only have a single schema if ${LIST} is map`;
    return [...errors, invalid(`${path}.items`, schema.items, rule)];
  }
  const parent = `if parent array's ${LIST} is map`;
  if (items.type !== "object") {
    return [...errors, invalid(`${path}.items.type`, items.type ?? "", `must be object ${parent}`)];
  }
  const seen = new Set<string>();
  for (const key of keys) {
    const type = items.properties?.[key]?.type;
    if (items.properties?.[key] === undefined) {
      errors.push(invalid(`${path}.${KEYS}`, keys, "entries must all be names of item properties"));
    } else if (type === "array" || type === "object") {
      const rule = `must be a scalar type ${parent}`;
      errors.push(invalid(`${path}.items.properties[${key}].type`, items.type, rule));
    }
    if (seen.has(key)) {
      errors.push(invalid(`${path}.${KEYS}`, keys, "must not contain duplicate entries"));
    }
    seen.add(key);
    // Each error has all keys: some show what is wrong.
    if (errors.length >= KEY_ERRORS_MAX) break;
  }
  return errors;
}

/** The errors of keys that items may lack, and of items that may be null. */
export function validateListKeys(schema: Schema, path: string): FieldError[] {
  const items = itemSchema(schema);
  const list = schema[LIST];
  if (items === undefined || (list !== "set" && list !== "map")) return [];
  const errors =
    items.nullable === true
      ? [forbidden(`${path}.items.nullable`, `cannot be nullable when ${LIST} is ${list}`)]
      : [];
  if (list === "set") return errors;
  for (const key of schema[KEYS] ?? []) {
    const property = items.properties?.[key];
    if (property === undefined) continue;
    const at = `${path}.items.properties[${key}]`;
    const why = `this property is in ${KEYS}, so it`;
    if (!items.required?.includes(key) && property.default == null) {
      const rule = `${why} must have a default or be a required property`;
      errors.push(required(`${at}.default`, rule));
    }
    if (property.nullable === true) {
      errors.push(forbidden(`${at}.nullable`, `${why} cannot be nullable`));
    }
  }
  return errors;
}
