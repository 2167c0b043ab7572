/**
 * Schemas of custom resources: structural, so that every place has a type and can be pruned and
 * defaulted, with CEL rules about the values.
 */
import { own } from "@raft2kube/std/own.ts";
import type { JSONSchemaProps } from "../../gen/apiextensions/v1.ts";
import { checkCel } from "../../cel/check.ts";
import type { CelType } from "../../cel/types.ts";
import { invalid, notSupported, required, type FieldError } from "../../errors.ts";
import { DEPTH_MAX } from "../../limits.ts";

type Schema = JSONSchemaProps;

const TYPES = ["array", "boolean", "integer", "number", "object", "string"];
const LIST_TYPES = ["atomic", "map", "set"];
const MAP_TYPES = ["atomic", "granular"];
const SCALARS: Readonly<Record<string, CelType>> = {
  boolean: "bool", integer: "int", number: "double", string: "string", array: "list",
};

/** Returns a schema's children: its properties, items and map values, each with its path. */
function below(schema: Schema, path: string): (readonly [Schema, string])[] {
  const { items, additionalProperties } = schema;
  return [
    ...Object.entries(schema.properties ?? {}).map(([name, each]) =>
      [each, `${path}.properties[${name}]`] as const),
    ...(isSchema(items) ? [[items, `${path}.items`] as const] : []),
    ...(isSchema(additionalProperties)
      ? [[additionalProperties, `${path}.additionalProperties`] as const] : []),
  ];
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The rules of a version's whole schema. */
export function validateSchema(schema: Schema, path: string): FieldError[] {
  const root = schema.type === "object" ? []
    : [schema.type === undefined || schema.type === ""
      ? required(`${path}.type`, "must not be empty at the root")
      : invalid(`${path}.type`, schema.type, "must be object at the root")];
  return [...root, ...validatePlace(schema, path, 0)];
}

function validatePlace(schema: Schema, path: string, depth: number): FieldError[] {
  if (depth > DEPTH_MAX) return [invalid(path, "", "nested too deeply")];
  return [
    ...validateType(schema, path, depth === 0),
    ...validateExtensions(schema, path),
    ...validateDefault(schema, path),
    ...validateRules(schema, path),
    ...below(schema, path).flatMap(([each, at]) => validatePlace(each, at, depth + 1)),
  ];
}

function validateType(schema: Schema, path: string, root: boolean): FieldError[] {
  const { type = "" } = schema;
  const free = schema["x-kubernetes-int-or-string"] === true ||
    schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (type === "") {
    return root || free ? []
      : [required(`${path}.type`, "must not be empty for specified object fields")];
  }
  const errors = TYPES.includes(type) ? [] : [notSupported(`${path}.type`, type, TYPES)];
  const items = schema.items;
  if (type === "array" && items === undefined) {
    errors.push(required(`${path}.items`, "must be specified"));
  }
  return errors;
}

function validateExtensions(schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const lists = schema["x-kubernetes-list-type"];
  if (lists !== undefined) {
    if (!LIST_TYPES.includes(lists)) {
      errors.push(notSupported(`${path}.x-kubernetes-list-type`, lists, LIST_TYPES));
    } else if (schema.type !== "array" && TYPES.includes(schema.type ?? "")) {
      errors.push(invalid(`${path}.type`, schema.type ?? "",
        "must be array if x-kubernetes-list-type is specified"));
    }
  }
  const maps = schema["x-kubernetes-map-type"];
  if (maps !== undefined && !MAP_TYPES.includes(maps)) {
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, maps, MAP_TYPES));
  }
  if (schema["x-kubernetes-preserve-unknown-fields"] === false) {
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false,
      "must be true or undefined"));
  }
  return errors;
}

/** A default has the type of its place; what stands in it is looked at when it is used. */
function validateDefault(schema: Schema, path: string): FieldError[] {
  const value: unknown = schema.default;
  if (value === undefined || value === null) return [];
  const type = schema.type ?? "";
  if (type === "" || !TYPES.includes(type) || typesOf(value).includes(type)) return [];
  return [{
    type: "FieldValueTypeInvalid", field: `${path}.default`, value,
    detail: `must be of type ${type}: ${JSON.stringify(typesOf(value)[0])}`,
  }];
}

function typesOf(value: unknown): string[] {
  if (Array.isArray(value)) return ["array"];
  if (typeof value !== "number") return [typeof value];
  return Number.isInteger(value) ? ["integer", "number"] : ["number"];
}

function validateRules(schema: Schema, path: string): FieldError[] {
  return (schema["x-kubernetes-validations"] ?? []).flatMap(({ rule }, index) => {
    const at = `${path}.x-kubernetes-validations[${index}].rule`;
    if (rule.trim() === "") return [required(at, "rule is not specified")];
    const self = celTypeOf(schema, 0);
    const outcome = checkCel(rule, { self, oldSelf: self }, ["bool"]);
    return "complaint" in outcome ? [invalid(at, rule, outcome.complaint)] : [];
  });
}

/** The type under which rules know what a schema describes. */
function celTypeOf(schema: Schema, depth: number): CelType {
  const { type = "", properties } = schema;
  if (type !== "object") return own(SCALARS, type) ?? "dyn";
  if (properties === undefined || depth > DEPTH_MAX) return "map";
  const members = Object.entries(properties).map(([name, each]) =>
    [name, celTypeOf(each, depth + 1)] as const);
  const open = schema["x-kubernetes-preserve-unknown-fields"] === true;
  return open ? "dyn" : { fields: Object.fromEntries(members) };
}

/** The schema at a path such as `.spec.size`; undefined when there is none. */
export function schemaAt(schema: Schema | undefined, path: string): Schema | undefined {
  if (!/^(\.[A-Za-z_$][\w$-]*)+$/.test(path)) return undefined;
  return path.split(".").slice(1).reduce<Schema | undefined>(
    (at, name) => at?.properties?.[name], schema);
}
