/** Ways through the schemas of a definition as they were written. */
import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";

type Schema = JSONSchemaProps;

/** The types of OpenAPI 3, in the order of the alphabet. */
export const TYPES: readonly string[] = [
  "array",
  "boolean",
  "integer",
  "number",
  "object",
  "string",
];

/** Keywords that bound a value of one type: numbers, texts, lists. */
export const BOUNDS = [
  "maximum",
  "exclusiveMaximum",
  "minimum",
  "exclusiveMinimum",
  "maxLength",
  "minLength",
  "pattern",
  "maxItems",
  "minItems",
  "uniqueItems",
  "multipleOf",
] as const satisfies readonly (keyof Schema)[];

/** Whether a value that a schema may have elsewhere is a schema. */
export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schema of all items of a list. */
export function itemSchema({ items }: Schema): Schema | undefined {
  return isSchema(items) ? items : undefined;
}

/** The schema of members that are no properties. */
export function additionalSchema({ additionalProperties }: Schema): Schema | undefined {
  return isSchema(additionalProperties) ? additionalProperties : undefined;
}

/** All schemas in a schema, itself first. */
export function schemasIn(schema: Schema, found: Schema[] = []): Schema[] {
  found.push(schema);
  const below: readonly unknown[] = [
    ...(Array.isArray(schema.items) ? (schema.items as unknown[]) : [schema.items]),
    ...(schema.allOf ?? []),
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    schema.not,
    ...Object.values(schema.properties ?? {}),
    schema.additionalProperties,
    ...Object.values(schema.patternProperties ?? {}),
    schema.additionalItems,
    ...Object.values(schema.definitions ?? {}),
    ...Object.values(schema.dependencies ?? {}),
  ];
  for (const each of below) if (isSchema(each)) schemasIn(each, found);
  return found;
}
