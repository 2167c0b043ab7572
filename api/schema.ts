/**
 * The facts as a graph that can be walked: decoders, patches, pruning, OpenAPI and protobuf all
 * take their structure from here. A structure is built when first asked for, and kept.
 */
import { assert } from "@raft2kube/std/assert.ts";
import { type FieldFact, factsOf, hasFacts } from "./facts.ts";

export type Scalar = "string" | "bool" | "int32" | "int64" | "double" | "bytes";

/** The structure that the special values `SchemaOr...` contain. */
export const JSON_SCHEMA = "apiextensions/v1.JSONSchemaProps";

export type Special =
  | "Time"
  | "MicroTime"
  | "Duration"
  | "Quantity"
  | "IntOrString"
  | "RawExtension"
  | "FieldsV1"
  | "JSON"
  | "SchemaOrArray"
  | "SchemaOrBool"
  | "SchemaOrStrings";

/** A structure, by its name in the facts (`core/v1.Pod`) or, of a custom resource, itself. */
export type SchemaRef = string | Struct;

export type Shape =
  | { readonly is: "scalar"; readonly scalar: Scalar; readonly values?: readonly string[] }
  | { readonly is: "special"; readonly special: Special }
  | {
      readonly is: "list";
      readonly of: Shape;
      readonly wrapped: boolean;
      /** How the list merges, where a custom schema says so; else its field's facts do. */
      readonly rule?: ListRule;
    }
  | { readonly is: "map"; readonly of: Shape; readonly atomic?: boolean }
  | { readonly is: "struct"; readonly of: SchemaRef }
  /** Any JSON: members of objects have owners of their own, lists are owned as a whole. */
  | { readonly is: "any" };

/** A field of a structure, as it stands in JSON. */
export interface Field {
  readonly fact: FieldFact;
  readonly shape: Shape;
  /** The inlined structures that it stands in, the outermost first; absent for own fields. */
  readonly within?: readonly string[];
}

/** A structure: its own fields in upstream's order, and all fields that stand in its JSON. */
export interface Struct {
  /** `core/v1.PodSpec`. */
  readonly name: string;
  readonly typeMeta: boolean;
  readonly atomic: boolean;
  /** Own fields, inlined structures as one field each: the protobuf view. */
  readonly own: readonly Field[];
  /**
   * Fields by JSON name, inlined structures expanded: the JSON view, without apiVersion and kind.
   */
  readonly fields: ReadonlyMap<string, Field>;
  /** The shape of members besides `fields`, where the schema preserves unknown fields. */
  readonly rest?: Shape;
  /** How a value becomes an object, if not by the facts. Throws DecodeError. */
  decode?(value: unknown, strict: boolean): Decoded<object>;
}

/** An object that was decoded. */
export interface Decoded<T> {
  readonly object: T;
  /** Paths of fields that the kind does not have: `spec.containers[0].imagee`. */
  readonly unknownFields: readonly string[];
}

const SCALARS = new Set<string>(["string", "bool", "int32", "int64", "double", "bytes"]);
const SPECIALS = new Set<string>([
  "Time",
  "MicroTime",
  "Duration",
  "Quantity",
  "IntOrString",
  "RawExtension",
  "FieldsV1",
  "JSON",
  "SchemaOrArray",
  "SchemaOrBool",
  "SchemaOrStrings",
]);

const structs = new Map<string, Struct>();

/** The structure of a name such as `apps/v1.Deployment`. An unknown name is a bug of the caller. */
export function structOf(ref: SchemaRef): Struct {
  return typeof ref === "string" ? structNamed(ref) : ref;
}

function structNamed(name: string): Struct {
  const known = structs.get(name);
  if (known !== undefined) return known;
  const [from, local] = split(name);
  const fact = factsOf(from).types[local];
  assert(fact?.fields !== undefined, `the facts have no structure ${name}`);
  const own = fact.fields.map((each) => ({ fact: each, shape: shapeOf(each.type, from) }));
  const struct: Struct = {
    name,
    own,
    typeMeta: fact.typeMeta === true,
    atomic: fact.map === "atomic",
    fields: new Map(own.flatMap(opened)),
  };
  structs.set(name, struct);
  return struct;
}

/** Whether the facts have a structure of this name. */
export function hasStruct(name: string): boolean {
  const [from, local] = split(name);
  return hasFacts(from) && factsOf(from).types[local]?.fields !== undefined;
}

/** An inlined structure gives its fields to its parent's JSON object; any other gives itself. */
function opened(field: Field): [string, Field][] {
  if (field.fact.inline !== true) return [[field.fact.name, field]];
  assert(field.shape.is === "struct", `inlined ${field.fact.name} is no structure`);
  const struct = structOf(field.shape.of);
  const name = split(struct.name)[1];
  return [...struct.fields].map(([key, each]) => [
    key,
    { ...each, within: [name, ...(each.within ?? [])] },
  ]);
}

function split(name: string): [string, string] {
  const dot = name.indexOf(".");
  return [name.slice(0, dot), name.slice(dot + 1)];
}

/** The shape of a type as the facts of the package `from` write it. */
export function shapeOf(type: string, from: string): Shape {
  if (type.startsWith("[]")) {
    return { is: "list", of: shapeOf(type.slice(2), from), wrapped: false };
  }
  if (type.startsWith("{}")) return { is: "map", of: shapeOf(type.slice(2), from) };
  if (SCALARS.has(type)) return { is: "scalar", scalar: type as Scalar };
  if (SPECIALS.has(type)) return { is: "special", special: type as Special };
  if (type.includes(".")) return shapeOf(...(split(type).reverse() as [string, string]));
  const fact = factsOf(from).types[type];
  assert(fact !== undefined, `the facts have no type ${from}.${type}`);
  if (fact.fields !== undefined) return { is: "struct", of: `${from}.${type}` };
  assert(fact.base !== undefined, `${from}.${type} is neither a structure nor a name`);
  const base = shapeOf(fact.base, from);
  if (base.is === "list" && fact.wrapped === true) return { ...base, wrapped: true };
  if (base.is === "scalar" && fact.closed === true && fact.values !== undefined) {
    return { ...base, values: fact.values };
  }
  return base;
}

/** How a list of a strategic merge patch or a server-side apply is merged. */
export interface ListRule {
  /** `x-kubernetes-list-type`: map, set or atomic; undefined means atomic. */
  readonly type: string | undefined;
  readonly keys: readonly string[];
  /** Strategic merge patch: `merge`, `replace`, `retainKeys`. */
  readonly patch: readonly string[];
  readonly mergeKey: string | undefined;
}

/** The merge rules of a field, which for maps and structures hold `patch` only. */
export function listRuleOf(field: Field): ListRule {
  const { list, listKeys, patch, mergeKey } = field.fact;
  return { type: list, keys: listKeys ?? [], patch: patch?.split(",") ?? [], mergeKey };
}
