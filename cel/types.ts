/**
 * Types of expressions. A type is a value as well (`type(1) == int`). Source: cel-spec's langdef,
 * "Values" and "Gradual type checking"; the order of assignment is cel-go's.
 */

export type Kind =
  | "dyn"
  | "error"
  | "null"
  | "bool"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "timestamp"
  | "duration"
  | "list"
  | "map"
  | "struct"
  | "opaque"
  | "type"
  | "parameter";

export class Type {
  readonly kind: Kind;
  /** The type's name at run time, which `string(type(x))` gives: `int`, `net.IP`. */
  readonly name: string;
  readonly parameters: readonly Type[];
  /** Types in it, itself included: one that is a parameter twice counts twice. */
  readonly size: number;

  constructor(kind: Kind, name: string, parameters: readonly Type[] = []) {
    this.kind = kind;
    this.name = name;
    this.parameters = parameters;
    this.size = parameters.reduce((sum, each) => sum + each.size, 1);
  }

  /** The type as errors show it: `map(string, list(int))`. */
  toString(): string {
    if (this.kind === "null" || this.kind === "timestamp" || this.kind === "duration") {
      return this.kind;
    }
    if (this.parameters.length === 0) return this.name;
    return `${this.name}(${this.parameters.join(", ")})`;
  }

  /** Whether another type is the same one, parameters included. */
  is(other: Type): boolean {
    return (
      this === other ||
      (this.kind === other.kind &&
        this.name === other.name &&
        this.parameters.length === other.parameters.length &&
        this.parameters.every((each, index) => each.is(other.parameters[index]!)))
    );
  }
}

export const DYN = new Type("dyn", "dyn");
export const ERROR = new Type("error", "!error!");
export const NULL = new Type("null", "null_type");
export const BOOL = new Type("bool", "bool");
export const INT = new Type("int", "int");
export const UINT = new Type("uint", "uint");
export const DOUBLE = new Type("double", "double");
export const STRING = new Type("string", "string");
export const BYTES = new Type("bytes", "bytes");
export const TIMESTAMP = new Type("timestamp", "google.protobuf.Timestamp");
export const DURATION = new Type("duration", "google.protobuf.Duration");
/** The type of types that are not known further. */
export const TYPE = new Type("type", "type");

export const listOf = (item: Type): Type => new Type("list", "list", [item]);

export const mapOf = (key: Type, value: Type): Type => new Type("map", "map", [key, value]);

/** An object with declared fields: `TypeProvider.findField` has them. */
export const objectType = (name: string): Type => new Type("struct", name);

/** A type that only functions look into: `net.IP`. */
export function opaqueType(name: string, ...parameters: Type[]): Type {
  return new Type("opaque", name, parameters);
}

export const optionalOf = (value: Type): Type => opaqueType("optional_type", value);

/** The type of a type. */
export const typeOf = (type: Type): Type => new Type("type", "type", [type]);

/** A type parameter of an overload: `list(A).first() -> optional(A)`. */
export const parameter = (name: string): Type => new Type("parameter", name);

export function isOptional(type: Type): boolean {
  return type.kind === "opaque" && type.name === "optional_type";
}
