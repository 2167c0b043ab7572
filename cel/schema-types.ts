/**
 * Types of expressions from schemas of objects, with the sizes that values can have in a request.
 * Source: the behaviour of k8s.io/apiserver/pkg/cel/common/schemas.go and pkg/cel/types.go.
 */
import { escapeName } from "./field-names.ts";
import type { CostNode, FieldDeclaration, Range, SizeEstimator, TypeProvider } from "./library.ts";
import { REQUEST_BYTES_MAX } from "./limits.ts";
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  objectType,
  STRING,
  TIMESTAMP,
  type Type,
} from "./types.ts";

/** One place of an object's schema: what of it types and sizes follow from. */
export interface Schema {
  readonly type?: string;
  readonly format?: string;
  readonly nullable?: boolean;
  readonly properties?: ReadonlyMap<string, Schema>;
  readonly items?: Schema;
  /** The schema of members besides `properties`, or whether there may be any. */
  readonly additional?: Schema | boolean;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  /** x-kubernetes-int-or-string, -preserve-unknown-fields, -embedded-resource. */
  readonly intOrString?: boolean;
  readonly preserves?: boolean;
  readonly embedded?: boolean;
  /** x-kubernetes-list-type and -list-map-keys. */
  readonly listType?: string;
  readonly listKeys?: readonly string[];
}

export interface DeclaredType {
  readonly type: Type;
  /** Fields of an object, by their identifiers. */
  readonly fields?: ReadonlyMap<string, DeclaredType>;
  /** Items of a list, values of a map. */
  readonly items?: DeclaredType;
  /** Items, entries, or bytes of a text: the most that a value can have. */
  readonly sizeMax: number;
  /** The fewest bytes that a value takes as JSON. */
  readonly bytesMin: number;
}

const TEXT: Schema = { type: "string" };
const METADATA: Schema = {
  type: "object",
  properties: new Map([
    ["name", TEXT],
    ["generateName", TEXT],
  ]),
};
const roots = new WeakMap<Schema, Schema>();

/** The schema of a resource, in which type and name are always visible. */
export function asResource(schema: Schema): Schema {
  const known = roots.get(schema);
  if (known !== undefined) return known;
  const { properties = new Map<string, Schema>() } = schema;
  const metadata = properties.get("metadata")?.properties;
  const isComplete =
    properties.get("kind")?.type === "string" &&
    properties.get("apiVersion")?.type === "string" &&
    metadata?.get("name")?.type === "string" &&
    metadata.get("generateName")?.type === "string";
  const types = [
    ["kind", TEXT],
    ["apiVersion", TEXT],
    ["metadata", METADATA],
  ] as const;
  const root = isComplete ? schema : { ...schema, properties: new Map([...properties, ...types]) };
  roots.set(schema, root);
  return root;
}

/** A schema of additional members, if there is one. */
export function membersOf({ additional }: Schema): Schema | undefined {
  return typeof additional === "object" ? additional : undefined;
}

/**
 * The type of a schema, undefined when expressions do not see its values: those of no type, and
 * what consists of them. Objects are named by their place: `name.field`.
 */
export function declaredType(
  schema: Schema,
  name: string,
  isResource = false,
): DeclaredType | undefined {
  if (schema.intOrString === true) return { type: DYN, sizeMax: textSizeMax(schema), bytesMin: 1 };
  switch (schema.type) {
    case "array":
      return declaredList(schema, name);
    case "object":
      if (membersOf(schema) !== undefined) return declaredMap(schema, name);
      return declaredObject(isResource ? asResource(schema) : schema, name);
    case "string":
      return declaredText(schema);
    case "boolean":
      return { type: BOOL, sizeMax: 0, bytesMin: 4 };
    case "number":
      return { type: DOUBLE, sizeMax: 0, bytesMin: 1 };
    case "integer":
      return { type: INT, sizeMax: 0, bytesMin: 1 };
    default:
      return undefined;
  }
}

function nested(schema: Schema, name: string): DeclaredType | undefined {
  return declaredType(schema, name, schema.embedded);
}

function declaredList({ items, maxItems }: Schema, name: string): DeclaredType | undefined {
  const item = items && nested(items, `${name}.@idx`);
  if (item === undefined) return undefined;
  const possible = Math.trunc((REQUEST_BYTES_MAX - 2) / (item.bytesMin + 1));
  const sizeMax = given(maxItems) ?? possible;
  return { type: listOf(item.type), items: item, sizeMax, bytesMin: 2 };
}

function declaredMap(schema: Schema, name: string): DeclaredType | undefined {
  const value = nested(membersOf(schema)!, `${name}.@elem`);
  if (value === undefined) return undefined;
  // The shortest entry: a quoted key of two bytes, a colon, the value and a comma.
  const possible = Math.trunc((REQUEST_BYTES_MAX - 2) / (value.bytesMin + 6));
  const sizeMax = given(schema.maxProperties) ?? possible;
  return { type: mapOf(STRING, value.type), items: value, sizeMax, bytesMin: 2 };
}

function given(bound: number | undefined): number | undefined {
  return bound === undefined ? undefined : Math.max(bound, 0);
}

function declaredObject({ properties, required = [] }: Schema, name: string): DeclaredType {
  const fields = new Map<string, DeclaredType>();
  const isRequired = new Set(required);
  let bytesMin = 2;
  for (const [property, schema] of properties ?? []) {
    const identifier = escapeName(property);
    const field = nested(schema, `${name}.${identifier ?? property}`);
    if (field === undefined) continue;
    if (identifier !== undefined) fields.set(identifier, field);
    // A default is filled in by the server, so that a request need not have it.
    if (isRequired.has(property) && schema.default === undefined) {
      bytesMin += Buffer.byteLength(property) + field.bytesMin + 4;
    }
  }
  return { type: objectType(name), fields, sizeMax: 0, bytesMin };
}

/** Bytes of formatted texts with their quotes: of the longest, and of the shortest. */
const FORMATS: Readonly<Record<string, readonly [type: Type, max: number, min: number]>> = {
  duration: [DURATION, 32, 3],
  date: [TIMESTAMP, 12, 12],
  "date-time": [TIMESTAMP, 32, 21],
};
/** A character of maxLength has up to 4 bytes. */
const CHARACTER_BYTES_MAX = 4;

function declaredText(schema: Schema): DeclaredType {
  const { format = "", maxLength } = schema;
  if (format === "byte") {
    return { type: BYTES, sizeMax: given(maxLength) ?? REQUEST_BYTES_MAX - 2, bytesMin: 2 };
  }
  const known = Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined;
  if (known === undefined) return { type: STRING, sizeMax: textSizeMax(schema), bytesMin: 2 };
  const [type, sizeMax, bytesMin] = known;
  return { type, sizeMax, bytesMin };
}

function textSizeMax({ maxLength, enum: values = [], intOrString }: Schema): number {
  if (maxLength !== undefined) return Math.max(maxLength, 0) * CHARACTER_BYTES_MAX;
  if (intOrString === true || values.length === 0) return REQUEST_BYTES_MAX - 2;
  const texts = values.filter((each) => typeof each === "string");
  return Math.max(0, ...texts.map((each) => Buffer.byteLength(each)));
}

/** Finds the fields of objects within declared types. */
export class DeclaredTypes implements TypeProvider {
  readonly #objects = new Map<string, DeclaredType>();

  constructor(...types: readonly DeclaredType[]) {
    for (const each of types) this.#add(each);
  }

  #add(declared: DeclaredType): void {
    if (declared.items !== undefined) this.#add(declared.items);
    if (declared.fields === undefined) return;
    this.#objects.set(declared.type.name, declared);
    for (const field of declared.fields.values()) this.#add(field);
  }

  /** Types of objects. */
  get size(): number {
    return this.#objects.size;
  }

  findType(name: string): Type | undefined {
    return this.#objects.get(name)?.type;
  }

  findField(type: string, field: string): FieldDeclaration | undefined {
    const fields = this.#objects.get(type)?.fields;
    return fields?.get(field) ?? fields?.get(escapeName(field) ?? field);
  }
}

/** How often a value can be in a request at most: lists and maps around it may have no bound. */
export function occurrencesMax({ bytesMin }: DeclaredType): number {
  return Math.trunc(REQUEST_BYTES_MAX / (bytesMin + 1));
}

/** Sizes of variables that are all of one declared type. */
export class DeclaredSizes implements SizeEstimator {
  readonly #root: DeclaredType;

  constructor(root: DeclaredType) {
    this.#root = root;
  }

  estimateSize({ path = [] }: CostNode): Range | undefined {
    if (path.length === 0) return undefined;
    let node: DeclaredType | undefined = this.#root;
    for (const name of path.slice(1)) {
      // Keys have no bound of their own, which upstream takes for 0.
      if (name === "@keys") node = node?.items && KEYS;
      else if (name === "@items" || name === "@values") node = node?.items;
      else node = node?.fields?.get(name);
    }
    return node && { min: 0n, max: BigInt(node.sizeMax) };
  }
}

const KEYS: DeclaredType = { type: STRING, sizeMax: 0, bytesMin: 2 };
