/** The schema of a custom resource, in the form that objects are pruned, defaulted, checked by. */
import type { JSONSchemaProps, ValidationRule } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { BOUNDS, isSchema } from "./definition/walk.ts";

/** The rules about values that need no preparation, as they stand in the definition. */
const VALUE_RULES = [
  "type",
  "format",
  ...BOUNDS,
  "enum",
  "maxProperties",
  "minProperties",
  "required",
] as const satisfies readonly (keyof JSONSchemaProps)[];

/**
 * One place of a schema, without descriptions. Schemas under `allOf`, `anyOf`, `oneOf` and `not`
 * are of the same form and add rules about values, never structure. Frozen once it is made.
 */
export interface Structural extends Readonly<Pick<JSONSchemaProps, (typeof VALUE_RULES)[number]>> {
  readonly properties?: ReadonlyMap<string, Structural>;
  readonly items?: Structural;
  /** The schema of members besides `properties`, or whether there may be any. */
  readonly additional?: Structural | boolean;
  readonly nullable: boolean;
  /** The default; JSON's null counts as none. */
  readonly default?: unknown;
  /** Whether x-kubernetes-preserve-unknown-fields is set. */
  readonly preserves: boolean;
  /** Whether x-kubernetes-embedded-resource is set. */
  readonly embedded: boolean;
  /** Whether x-kubernetes-int-or-string is set. */
  readonly intOrString: boolean;
  readonly listType?: string;
  readonly listKeys?: readonly string[];
  readonly mapType?: string;
  /** The rules of x-kubernetes-validations. */
  readonly rules?: readonly ValidationRule[];
  readonly allOf?: readonly Structural[];
  readonly anyOf?: readonly Structural[];
  readonly oneOf?: readonly Structural[];
  readonly not?: Structural;
}

/**
 * Makes the structural schema of a version's `openAPIV3Schema`. Without `intOrString`, places of
 * that kind take anything, as upstream's check of defaults has it.
 */
export function structuralOf(props: JSONSchemaProps, intOrString = true): Structural {
  const { properties, items, additionalProperties } = props;
  const make = (each: JSONSchemaProps) => structuralOf(each, intOrString);
  const all = (list?: readonly JSONSchemaProps[]) => list?.map(make);
  const node: Record<string, unknown> = {
    nullable: props.nullable === true,
    preserves: props["x-kubernetes-preserve-unknown-fields"] === true,
    embedded: props["x-kubernetes-embedded-resource"] === true,
    intOrString: intOrString && props["x-kubernetes-int-or-string"] === true,
  };
  const set = (name: string, value: unknown): void => {
    if (value !== undefined) node[name] = value;
  };
  for (const name of VALUE_RULES) {
    const value: unknown = props[name];
    // A bound past 2^53 is read from the store as its digits stand there.
    set(name, typeof value === "bigint" ? Number(value) : value);
  }
  set(
    "properties",
    properties && new Map(Object.entries(properties).map(([name, each]) => [name, make(each)])),
  );
  set("items", isSchema(items) ? make(items) : undefined);
  set(
    "additional",
    isSchema(additionalProperties) ? make(additionalProperties) : additionalProperties,
  );
  set("default", props.default ?? undefined);
  set("listType", props["x-kubernetes-list-type"]);
  set("listKeys", props["x-kubernetes-list-map-keys"]);
  set("mapType", props["x-kubernetes-map-type"]);
  set("rules", props["x-kubernetes-validations"]);
  set("allOf", all(props.allOf));
  set("anyOf", all(props.anyOf));
  set("oneOf", all(props.oneOf));
  set("not", props.not && make(props.not));
  return node as unknown as Structural;
}
