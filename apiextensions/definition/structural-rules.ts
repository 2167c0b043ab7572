/** The rules by which a schema is structural: each place has a type, outside of `allOf` etc. */
import { isDeepStrictEqual } from "node:util";
import {
  type FieldError,
  forbidden,
  invalid,
  messageOfField,
  required,
} from "@raft2kube/api/errors.ts";
import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { compileRegex } from "@raft2kube/cel/regex.ts";
import { firstErrors } from "../findings.ts";
import { additionalSchema, itemSchema } from "./walk.ts";

type Schema = JSONSchemaProps;
type Level = "root" | "item" | "field";

/** The first errors of a version's whole schema, in the order of their messages, as upstream. */
export function validateStructural(schema: Schema, path: string): FieldError[] {
  const errors: FieldError[] = [];
  checkPlace(schema, "root", path, errors);
  checkJunctorsComplete(schema, schema, path, path, errors);
  return firstErrors(errors)
    .map((each): [string, FieldError] => [messageOfField(each), each])
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, each]) => each);
}

const UNSUPPORTED: readonly (readonly [field: keyof Schema, shown: string])[] = [
  ["id", "id"],
  ["$schema", "schema"],
  ["$ref", "$ref"],
  ["patternProperties", "patternProperties"],
  ["dependencies", "dependencies"],
  ["additionalItems", "additionalItems"],
  ["definitions", "definitions"],
];

/** Why a schema has no structural form at all; undefined when it has one. */
export function unstructured(schema: Schema | undefined): string | undefined {
  if (schema === undefined) return undefined;
  const found = UNSUPPORTED.find(([field]) => {
    const value = schema[field];
    return (
      value != null &&
      value !== "" &&
      (field === "additionalItems" || typeof value !== "object" || Object.keys(value).length > 0)
    );
  });
  if (found !== undefined) return `OpenAPIV3Schema '${found[1]}' is not supported`;
  if (Array.isArray(schema.items)) {
    return "OpenAPIV3Schema 'items' must be a schema, but is an array";
  }
  if (schema["x-kubernetes-preserve-unknown-fields"] === false) {
    return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined";
  }
  const below = [
    schema.not,
    ...(schema.allOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    itemSchema(schema),
    ...Object.values(schema.properties ?? {}),
    additionalSchema(schema),
  ];
  for (const each of below) {
    const why = unstructured(each);
    if (why !== undefined) return why;
  }
  return undefined;
}

const EMPTY_TYPE: Readonly<Record<Level, string>> = {
  root: "must not be empty at the root",
  item: "must not be empty for specified array items",
  field: "must not be empty for specified object fields",
};

function checkPlace(schema: Schema, level: Level, path: string, errors: FieldError[]): void {
  const { type = "", properties = {}, additionalProperties } = schema;
  const items = itemSchema(schema);
  if (type === "array" && items === undefined) {
    errors.push(required(`${path}.items`, "must be specified"));
  }
  if (items !== undefined) checkPlace(items, "item", `${path}.items`, errors);
  for (const [name, each] of Object.entries(properties)) {
    checkPlace(each, "field", `${path}.properties[${name}]`, errors);
  }
  if (additionalProperties !== undefined) {
    const at = `${path}.additionalProperties`;
    if (level === "root") errors.push(forbidden(at, "must not be used at the root"));
    const rest = additionalSchema(schema);
    if (rest !== undefined) checkPlace(rest, "field", at, errors);
  }
  checkExtensions(schema, level, path, errors);
  checkValues(
    schema,
    isIntOrString(schema.anyOf),
    isIntOrString(schema.allOf?.[0]?.anyOf),
    path,
    errors,
  );
  if (level === "root" && type !== "" && type !== "object") {
    errors.push(invalid(`${path}.type`, type, "must be object at the root"));
  }
  checkMetadata(schema, level, path, errors);
}

function checkExtensions(schema: Schema, level: Level, path: string, errors: FieldError[]): void {
  const { type = "" } = schema;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  const preserves = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const intOrString = schema["x-kubernetes-int-or-string"] === true;
  for (const [name, set] of [
    ["preserve-unknown-fields", preserves],
    ["embedded-resource", embedded],
  ] as const) {
    if (!intOrString || !set) continue;
    const rule = "must be false if x-kubernetes-int-or-string is true";
    errors.push(invalid(`${path}.x-kubernetes-${name}`, true, rule));
  }
  if (embedded && type !== "object") {
    const why = "must be object if x-kubernetes-embedded-resource is true";
    const at = `${path}.type`;
    errors.push(type === "" ? required(at, why) : invalid(at, type, why));
  } else if (type === "" && !intOrString && !preserves) {
    errors.push(required(`${path}.type`, EMPTY_TYPE[level]));
  }
  if (embedded && schema.additionalProperties !== undefined) {
    const rule = "must not be used if x-kubernetes-embedded-resource is set";
    errors.push(forbidden(`${path}.additionalProperties`, rule));
  }
  if (embedded && !preserves && Object.keys(schema.properties ?? {}).length === 0) {
    const rule =
      "must not be empty if " +
      "x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
    errors.push(required(`${path}.properties`, rule));
  }
}

/** Schemas of whole objects may restrict the name, and nothing else of the metadata. */
function checkMetadata(schema: Schema, level: Level, path: string, errors: FieldError[]): void {
  const { properties = {} } = schema;
  const whole = level === "root" || schema["x-kubernetes-embedded-resource"] === true;
  for (const [name, type] of [
    ["kind", "string"],
    ["apiVersion", "string"],
    ["metadata", "object"],
  ] as const) {
    const property = properties[name];
    if (whole && property !== undefined && property.type !== type) {
      errors.push(
        invalid(`${path}.properties[${name}].type`, property.type ?? "", `must be ${type}`),
      );
    }
  }
  const { metadata } = properties;
  if (level !== "root" || metadata === undefined) return;
  const { type: _type, default: _default, properties: fields = {}, ...rest } = metadata;
  const named = Object.keys(fields).every((name) => name === "name" || name === "generateName");
  if (!named || Object.keys(rest).length > 0) {
    const rule =
      "must not specify anything other than " +
      "name and generateName, but metadata is implicitly specified";
    errors.push(forbidden(`${path}.properties[metadata]`, rule));
  }
}

const INT_OR_STRING: readonly Schema[] = [{ type: "integer" }, { type: "string" }];

/** Whether an `anyOf` says what x-kubernetes-int-or-string does. */
export function isIntOrString(anyOf: readonly Schema[] | undefined): boolean {
  return anyOf !== undefined && isDeepStrictEqual(anyOf, INT_OR_STRING);
}

function checkValues(
  schema: Schema,
  skipAnyOf: boolean,
  skipFirst: boolean,
  path: string,
  errors: FieldError[],
): void {
  const { anyOf = [], allOf = [], oneOf = [], not, pattern = "" } = schema;
  const check = (each: Schema, name: string, skip = false) =>
    checkNested(each, skip, `${path}.${name}`, errors);
  if (!skipAnyOf) for (const [at, each] of anyOf.entries()) check(each, `anyOf[${at}]`);
  for (const [at, each] of allOf.entries()) check(each, `allOf[${at}]`, skipFirst && at === 0);
  for (const [at, each] of oneOf.entries()) check(each, `oneOf[${at}]`);
  if (not !== undefined) check(not, "not");
  const compiled = pattern === "" ? undefined : compileRegex(pattern);
  if (typeof compiled === "string") {
    const rule = `must be a valid regular expression, but isn't: ${compiled}`;
    errors.push(invalid(`${path}.pattern`, pattern, rule));
  }
}

const NESTED: readonly (readonly [field: keyof Schema, wanted: string])[] = [
  ["type", "empty"],
  ["additionalProperties", "undefined"],
  ["default", "undefined"],
  ["title", "empty"],
  ["description", "empty"],
  ["nullable", "false"],
  ["x-kubernetes-preserve-unknown-fields", "false"],
  ["x-kubernetes-embedded-resource", "false"],
  ["x-kubernetes-int-or-string", "false"],
  ["x-kubernetes-list-map-keys", "empty"],
  ["x-kubernetes-list-type", "undefined"],
  ["x-kubernetes-map-type", "undefined"],
  ["x-kubernetes-validations", "empty"],
];

/** Schemas under `allOf` etc. are rules about values alone. */
function checkNested(schema: Schema, skipAnyOf: boolean, path: string, errors: FieldError[]): void {
  checkValues(schema, skipAnyOf, false, path, errors);
  const items = itemSchema(schema);
  if (items !== undefined) checkNested(items, false, `${path}.items`, errors);
  for (const [name, each] of Object.entries(schema.properties ?? {})) {
    checkNested(each, false, `${path}.properties[${name}]`, errors);
  }
  for (const [field, wanted] of NESTED) {
    const value = schema[field];
    const isSet =
      value !== undefined &&
      value !== null &&
      value !== "" &&
      value !== false &&
      !(Array.isArray(value) && value.length === 0);
    if (isSet) errors.push(forbidden(`${path}.${field}`, `must be ${wanted} to be structural`));
  }
  if (schema.properties?.["metadata"] !== undefined) {
    const rule = "must not be specified in a nested context";
    errors.push(forbidden(`${path}.properties[metadata]`, rule));
  }
}

/** Values that are restricted under `allOf` etc. must be specified outside of it. */
function checkJunctorsComplete(
  rules: Schema,
  schema: Schema,
  path: string,
  at: string,
  errors: FieldError[],
): void {
  const { not, allOf = [], anyOf = [], oneOf = [] } = rules;
  const check = (each: Schema, name: string) =>
    checkComplete(each, schema, path, `${at}.${name}`, errors);
  if (not !== undefined) check(not, "not");
  for (const [index, each] of allOf.entries()) check(each, `allOf[${index}]`);
  for (const [index, each] of anyOf.entries()) check(each, `anyOf[${index}]`);
  for (const [index, each] of oneOf.entries()) check(each, `oneOf[${index}]`);
}

function checkComplete(
  rules: Schema,
  schema: Schema | undefined,
  path: string,
  at: string,
  errors: FieldError[],
): void {
  if (schema === undefined) {
    errors.push(required(path, `because it is defined in ${at}`));
    return;
  }
  checkJunctorsComplete(rules, schema, path, at, errors);
  const items = itemSchema(rules);
  if (items !== undefined) {
    checkComplete(items, itemSchema(schema), `${path}.items`, `${at}.items`, errors);
  }
  for (const [name, each] of Object.entries(rules.properties ?? {})) {
    const step = `properties[${name}]`;
    checkComplete(each, schema.properties?.[name], `${path}.${step}`, `${at}.${step}`, errors);
  }
}
