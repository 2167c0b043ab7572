/**
 * Values at run time. null, bool, int, double, string and bytes are JavaScript's null, boolean,
 * bigint, number, string and Uint8Array; the others are classes of this file. Lists and maps are
 * abstract, so that JSON is wrapped as it is read.
 */
import { DURATION, DYN, listOf, mapOf, optionalOf, TIMESTAMP, Type } from "./types.ts";

export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | ListValue
  | MapValue
  | StructValue
  | OptionalValue
  | OpaqueValue
  | Type;

/** A value or the error in its place. `||`, `&&` and the macros made of them absorb errors. */
export type Outcome = Value | ErrorValue;

/** An error of an evaluation. */
export class ErrorValue {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}

/** An unsigned integer of 64 bits. */
export class Uint {
  readonly value: bigint;

  constructor(value: bigint) {
    this.value = value;
  }
}

/** A point in time, in nanoseconds since 1970 in UTC. */
export class Timestamp {
  readonly nanos: bigint;
  /** The offset from UTC in which it was written, which its text keeps. */
  readonly offset_s: number;
  readonly type: Type = TIMESTAMP;

  constructor(nanos: bigint, offset_s = 0) {
    this.nanos = nanos;
    this.offset_s = offset_s;
  }
}

/** A span of time in nanoseconds. */
export class Duration {
  readonly nanos: bigint;
  readonly type: Type = DURATION;

  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

const LIST = listOf(DYN);
const MAP = mapOf(DYN, DYN);

/** A list. A subclass may compare and concatenate in its own way (sets and maps of schemas). */
export abstract class ListValue {
  readonly type: Type = LIST;
  abstract readonly size: number;
  /** The item at an index, 0 <= index < size. */
  abstract at(index: number): Value;
  /** Equality that replaces the item by item one; undefined for that one. */
  equals?(other: Value): boolean;
  /** Concatenation that replaces appending. */
  concat?(other: ListValue): Outcome;

  *[Symbol.iterator](): Generator<Value> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }
}

/** A list of values that exist already. */
export class ArrayList extends ListValue {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    super();
    this.items = items;
  }

  override get size(): number {
    return this.items.length;
  }

  override at(index: number): Value {
    return this.items[index]!;
  }
}

/** A map. Objects that schemas describe are maps too, of a type of their own. */
export abstract class MapValue {
  readonly type: Type = MAP;
  abstract readonly size: number;
  /** The value of a key; undefined when the map lacks it. Numbers that are equal find the same. */
  abstract get(key: Value): Value | undefined;
  abstract keys(): Iterable<Value>;
  /** Equality that replaces the entry by entry one. */
  equals?(other: Value): boolean;
}

/** A message: fields, without the order, size and iteration of a map. */
export abstract class StructValue {
  abstract readonly type: Type;
  /** A field's value, its default included; undefined when the type has no such field. */
  abstract get(field: string): Value | undefined;
  /** Whether a field is set: `has(message.field)`. */
  abstract has(field: string): boolean;
  abstract equals(other: Value): boolean;
}

/** `optional.of(value)`, or `optional.none()` when the value is undefined. */
export class OptionalValue {
  static readonly NONE = new OptionalValue(undefined);
  readonly value: Value | undefined;
  readonly type: Type = optionalOf(DYN);

  constructor(value: Value | undefined) {
    this.value = value;
  }
}

/** A value of a library: a quantity, an address, an authorizer. */
export abstract class OpaqueValue {
  abstract readonly type: Type;
  abstract equals(other: Value): boolean;
  /** The size that costs count; 1 unless the library says otherwise (upstream's `Sizer`). */
  readonly costSize?: number;
}

export const isError = (outcome: Outcome): outcome is ErrorValue => outcome instanceof ErrorValue;
