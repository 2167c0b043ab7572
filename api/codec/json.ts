/**
 * JSON into an object of a kind: the types are checked, unknown fields dropped and reported, and
 * the result is what Go's decode and encode give: nulls and empty optional values absent,
 * structures that are no pointers present, quantities, times and durations canonical, fields in
 * upstream's order.
 */
import { DEPTH_MAX } from "../limits.ts";
import {
  type Decoded,
  type Field,
  JSON_SCHEMA,
  type Scalar,
  type SchemaRef,
  type Shape,
  type Special,
  type Struct,
  structOf,
} from "../schema.ts";
import { DecodeContext } from "./decode-context.ts";
import { DecodeError } from "./decode-error.ts";
import { specialFromJson } from "./special-json.ts";

export type JsonObject = { [key: string]: unknown };

const GO_SCALARS: Readonly<Record<Scalar, string>> = {
  string: "string",
  bool: "bool",
  int32: "int32",
  int64: "int64",
  double: "float64",
  bytes: "[]uint8",
};

function goType(shape: Shape): string {
  switch (shape.is) {
    case "scalar":
      return GO_SCALARS[shape.scalar];
    case "special":
      return shape.special;
    case "list":
      return `[]${goType(shape.of)}`;
    case "map":
      return `map[string]${goType(shape.of)}`;
    case "struct":
      return goName(structOf(shape.of).name);
    case "any":
      return "interface {}";
  }
}

const goName = (name: string): string => name.slice(name.indexOf("/") + 1);

/**
 * Decodes a parsed JSON value as a structure (`core/v1.Pod`). Throws `DecodeError`. Without
 * `strict`, metadata of a custom resource that has wrong types is dropped.
 */
export function decodeJson<T>(schema: SchemaRef, value: unknown, strict = true): Decoded<T> {
  const struct = structOf(schema);
  if (struct.decode !== undefined) return struct.decode(value, strict) as Decoded<T>;
  const context = new DecodeContext();
  const object = decodeStruct(struct, value, context) as T;
  return { object, unknownFields: context.unknownFields };
}

/** Facts of a field that the decoder needs often, computed once for a structure. */
interface FieldPlan {
  readonly name: string;
  readonly field: Field;
  readonly path: string;
  readonly goPath: readonly string[];
  /** The Go type of the field's texts, when they have one of their own. */
  readonly named: string | undefined;
  /** Go leaves the field out when it is empty. */
  readonly omitsEmpty: boolean;
  /** Go writes the field even if it is unset. */
  readonly always: boolean;
}

interface StructPlan {
  /** The structure's name in Go's messages. */
  readonly shown: string;
  readonly fields: readonly FieldPlan[];
}

const plans = new WeakMap<Struct, StructPlan>();

function planOf(struct: Struct): StructPlan {
  let plan = plans.get(struct);
  if (plan === undefined) {
    const version = goName(struct.name).split(".")[0]!;
    const fields = [...struct.fields].map(([name, field]) => planField(name, field, version));
    plan = { shown: struct.name.slice(struct.name.indexOf(".") + 1), fields };
    plans.set(struct, plan);
  }
  return plan;
}

function planField(name: string, field: Field, version: string): FieldPlan {
  const { omitempty, pointer, type } = field.fact;
  return {
    name,
    field,
    path: `.${name}`,
    goPath: [...(field.within ?? []), name],
    named: namedText(name, type, version),
    omitsEmpty: omitempty === true && pointer !== true,
    always: absentValue(field) !== undefined,
  };
}

function decodeStruct(struct: Struct, value: unknown, context: DecodeContext): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw context.mismatch(value, goName(struct.name));
  }
  if (context.path.length > DEPTH_MAX) throw new DecodeError("exceeded max depth");
  const source = value as JsonObject;
  const result: JsonObject = {};
  const outer = context.struct;
  const { shown, fields } = planOf(struct);
  context.struct = shown;
  if (struct.typeMeta) decodeTypeMeta(source, result, context);
  for (const plan of fields) {
    const { name } = plan;
    const given = Object.hasOwn(source, name) ? source[name] : undefined;
    if (given !== undefined && given !== null) {
      const decoded = decodeField(plan, given, context);
      if (decoded !== undefined) result[name] = decoded;
    } else if (plan.always) result[name] = absentValue(plan.field);
  }
  for (const name of Object.keys(source)) {
    const known =
      struct.fields.has(name) || (struct.typeMeta && (name === "apiVersion" || name === "kind"));
    if (!known) context.reportUnknown(name);
  }
  context.struct = outer;
  return result;
}

function decodeTypeMeta(source: JsonObject, result: JsonObject, context: DecodeContext): void {
  for (const name of ["kind", "apiVersion"]) {
    const value = Object.hasOwn(source, name) ? source[name] : undefined;
    if (value === undefined || value === null || value === "") continue;
    if (typeof value !== "string") {
      context.goPath.push(name);
      throw context.mismatch(value, "string");
    }
    result[name] = value;
  }
}

function decodeField(plan: FieldPlan, value: unknown, context: DecodeContext): unknown {
  const { shape } = plan.field;
  const { named } = context;
  context.path.push(plan.path);
  for (const step of plan.goPath) context.goPath.push(step);
  context.named = plan.named;
  const decoded = decodeShape(shape, value, context);
  context.named = named;
  context.path.pop();
  context.goPath.length -= plan.goPath.length;
  if (isContainer(decoded) && isEmptyValue(shape, decoded)) {
    if (plan.omitsEmpty) return undefined;
    given.add(decoded);
    return decoded;
  }
  return plan.omitsEmpty && isEmptyValue(shape, decoded) ? undefined : decoded;
}

const isContainer = (value: unknown): value is object =>
  typeof value === "object" && value !== null;

const given = new WeakSet<object>();

/**
 * Whether an empty list or map was explicit in the sent object. For an absent one Go has null and
 * this codec an empty one too; decoded objects keep the difference.
 */
export const isGivenEmpty = (value: unknown): boolean => isContainer(value) && given.has(value);

/** The name of a Go type that is a text: `v1.PodPhase`; undefined for plain ones. */
function namedText(field: string, type: string, version: string): string | undefined {
  const plain = type.replace(/^(\[\]|\{\})+/, "");
  if (plain === "string") return field === "uid" ? "types.UID" : undefined;
  if (!/^[A-Z]/.test(plain)) return plain.includes(".") ? goName(plain) : undefined;
  return `${version}.${plain}`;
}

/** Go's empty values; an empty structure is not among them. */
export function isEmptyValue(shape: Shape, value: unknown): boolean {
  if (shape.is === "map") return Object.keys(value as object).length === 0;
  if (Array.isArray(value)) return value.length === 0;
  return value === "" || value === 0 || value === false;
}

/** Returns Go's value of an unset field. */
export function absentValue(field: Field): unknown {
  const { omitempty, omitzero, pointer } = field.fact;
  if (pointer === true || omitzero === true) return undefined;
  const { shape } = field;
  if (shape.is === "struct") return emptyStruct(structOf(shape.of));
  if (shape.is === "special") return zeroOfSpecial(shape.special);
  if (omitempty === true) return undefined;
  switch (shape.is) {
    case "list":
      return [];
    case "map":
      return {};
    case "scalar":
      return zeroOf(shape.scalar);
    case "any":
      return undefined;
  }
}

/** Structures of Go that write themselves as one value, set or not. */
function zeroOfSpecial(special: Special): unknown {
  if (special === "Quantity") return "0";
  return special === "IntOrString" ? 0 : undefined;
}

function zeroOf(scalar: Scalar): unknown {
  if (scalar === "string") return "";
  if (scalar === "bool") return false;
  return scalar === "bytes" ? undefined : 0;
}

function emptyStruct(struct: Struct): JsonObject {
  const result: JsonObject = {};
  for (const [name, field] of struct.fields) {
    const value = absentValue(field);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

/** An unset structure as Go writes it: `{}` and the fields that are never omitted. */
export const zeroStruct = <T>(schema: SchemaRef): T => emptyStruct(structOf(schema)) as T;

/** The same with the nulls that Go writes for pointers that are never left out. */
export function zeroStructWithNulls<T>(schema: SchemaRef): T {
  const struct = structOf(schema);
  return withNulls(struct, emptyStruct(struct)) as T;
}

function withNulls(struct: Struct, zero: JsonObject): JsonObject {
  for (const [name, { fact, shape }] of struct.fields) {
    const { pointer, omitempty, omitzero } = fact;
    if (pointer === true && omitempty !== true && omitzero !== true) zero[name] = null;
    else if (shape.is === "struct" && zero[name] !== undefined) {
      withNulls(structOf(shape.of), zero[name] as JsonObject);
    }
  }
  return zero;
}

function decodeShape(shape: Shape, value: unknown, context: DecodeContext): unknown {
  switch (shape.is) {
    case "scalar":
      return decodeScalar(shape.scalar, value, context);
    case "special":
      return specialFromJson(shape.special, value, context, decodeSchema);
    case "list":
      return decodeList(shape, value, context);
    case "map":
      return decodeMap(shape, value, context);
    case "struct":
      return decodeStruct(structOf(shape.of), value, context);
    case "any":
      return value;
  }
}

/** Upstream decodes a schema in `items` and the like apart, and takes any field in it. */
function decodeSchema(value: unknown, context: DecodeContext): JsonObject {
  const { length } = context.unknownFields;
  const schema = decodeStruct(structOf(JSON_SCHEMA), value, context);
  context.unknownFields.length = length;
  return schema;
}

function decodeList(
  shape: Shape & { is: "list" },
  value: unknown,
  context: DecodeContext,
): unknown[] {
  if (!Array.isArray(value)) throw context.mismatch(value, goType(shape));
  return value.map((each: unknown, index) => {
    context.path.push(`[${index}]`);
    const decoded = each === null ? zeroMember(shape.of) : decodeShape(shape.of, each, context);
    context.path.pop();
    return decoded;
  });
}

/** Returns Go's zero value of a list's item or a map's value; null where Go writes null for it. */
export function zeroMember(shape: Shape): unknown {
  if (shape.is === "struct") return emptyStruct(structOf(shape.of));
  if (shape.is === "special") return zeroOfSpecial(shape.special) ?? null;
  return shape.is === "scalar" ? (zeroOf(shape.scalar) ?? "") : null;
}

function decodeMap(
  shape: Shape & { is: "map" },
  value: unknown,
  context: DecodeContext,
): JsonObject {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw context.mismatch(value, goType(shape));
  }
  const entries = Object.entries(value).map(([key, each]): [string, unknown] => {
    context.path.push(`.${key}`);
    const decoded = each === null ? zeroMember(shape.of) : decodeShape(shape.of, each, context);
    context.path.pop();
    return [key, decoded];
  });
  return Object.fromEntries(entries);
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function decodeScalar(scalar: Scalar, value: unknown, context: DecodeContext): unknown {
  if (typeof value === "bigint") return decodeLong(scalar, value, context);
  switch (scalar) {
    case "string":
    case "bytes":
      if (typeof value !== "string") {
        throw context.mismatch(value, context.named ?? GO_SCALARS[scalar]);
      }
      return scalar === "bytes" ? base64(value) : value;
    case "bool":
      if (typeof value !== "boolean") throw context.mismatch(value, "bool");
      return value;
    case "double":
      if (typeof value !== "number") throw context.mismatch(value, "float64");
      return value;
    case "int32":
      if (value !== ((value as number) | 0)) throw context.mismatch(value, "int32");
      return value;
    case "int64":
      if (!Number.isInteger(value)) throw context.mismatch(value, "int64");
      return value;
  }
}

/** Typed fields are numbers: an int64 past 2^53 is refused, since it would lose digits. */
function decodeLong(scalar: Scalar, value: bigint, context: DecodeContext): unknown {
  if (scalar === "double") return Number(value);
  if (scalar !== "int64") return decodeScalar(scalar, Number(value), context);
  throw new DecodeError(`the number ${value} cannot be held exactly: its size is above 2^53`);
}

function base64(value: string): string {
  const compact = value.replace(/[\r\n]/g, "");
  if (BASE64.test(compact)) return compact;
  const strange = compact.search(/[^A-Za-z0-9+/]/);
  const position = strange === -1 ? compact.length - (compact.length % 4) : strange;
  throw new DecodeError(`illegal base64 data at input byte ${position}`);
}
