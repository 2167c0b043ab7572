/** The schema of a custom resource, in the form that objects are pruned, defaulted, checked by. */
import type { JSONSchemaProps, ValidationRule } from "@raft2kube/api/gen/apiextensions/v1.ts";

/** The rules about values that need no preparation, as they stand in the definition. */
type ValueRules = Pick<
  JSONSchemaProps,
  | "type" | "format" | "maximum" | "exclusiveMaximum" | "minimum" | "exclusiveMinimum"
  | "maxLength" | "minLength" | "pattern" | "maxItems" | "minItems" | "uniqueItems" | "multipleOf"
  | "enum" | "maxProperties" | "minProperties" | "required"
>;

/**
 * One place of a schema, without descriptions. Schemas under `allOf`, `anyOf`, `oneOf` and `not`
 * are of the same form and add rules about values, never structure. Frozen once it is made.
 */
export interface Structural extends Readonly<ValueRules> {
  readonly properties?: ReadonlyMap<string, Structural>;
  readonly items?: Structural;
  /** The schema of members besides `properties`, or whether there may be any. */
  readonly additional?: Structural | boolean;
  readonly nullable: boolean;
  /** Undefined where there is none; JSON's null counts as none. */
  readonly default?: unknown;
  /** x-kubernetes-preserve-unknown-fields. */
  readonly preserves: boolean;
  /** x-kubernetes-embedded-resource. */
  readonly embedded: boolean;
  /** x-kubernetes-int-or-string. */
  readonly intOrString: boolean;
  readonly listType?: string;
  readonly listKeys?: readonly string[];
  readonly mapType?: string;
  /** x-kubernetes-validations. */
  readonly rules?: readonly ValidationRule[];
  readonly allOf?: readonly Structural[];
  readonly anyOf?: readonly Structural[];
  readonly oneOf?: readonly Structural[];
  readonly not?: Structural;
}

/** Makes the structural schema of a version's `openAPIV3Schema`. */
export function structuralOf(props: JSONSchemaProps): Structural {
  const { properties, items, additionalProperties } = props;
  const all = (list?: readonly JSONSchemaProps[]) => list?.map(structuralOf);
  const node: Record<string, unknown> = {
    nullable: props.nullable === true,
    preserves: props["x-kubernetes-preserve-unknown-fields"] === true,
    embedded: props["x-kubernetes-embedded-resource"] === true,
    intOrString: props["x-kubernetes-int-or-string"] === true,
    properties: properties && new Map(Object.entries(properties).map(
      ([name, each]) => [name, structuralOf(each)])),
    items: isSchema(items) ? structuralOf(items) : undefined,
    additional: isSchema(additionalProperties)
      ? structuralOf(additionalProperties) : additionalProperties,
    default: props.default ?? undefined,
    listType: props["x-kubernetes-list-type"],
    listKeys: props["x-kubernetes-list-map-keys"],
    mapType: props["x-kubernetes-map-type"],
    rules: props["x-kubernetes-validations"],
    allOf: all(props.allOf), anyOf: all(props.anyOf), oneOf: all(props.oneOf),
    not: props.not && structuralOf(props.not),
  };
  for (const name of VALUE_RULES) node[name] = props[name];
  for (const [name, value] of Object.entries(node)) if (value === undefined) delete node[name];
  return node as unknown as Structural;
}

const VALUE_RULES = [
  "type", "format", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
  "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "multipleOf", "enum",
  "maxProperties", "minProperties", "required",
] as const satisfies readonly (keyof ValueRules)[];

function isSchema(value: unknown): value is JSONSchemaProps {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
