import { unreachable } from "@raft2kube/std/assert.ts";
import protobuf from "protobufjs/minimal.js";
import { BackwardWriter } from "./writer.ts";

/** Scalar types of the Protocol Buffers encoding that our schemas use. */
export type ScalarType =
  | "double"
  | "float"
  | "int32"
  | "uint32"
  | "sint32"
  | "fixed32"
  | "int64"
  | "uint64"
  | "sint64"
  | "fixed64"
  | "bool"
  | "string"
  | "bytes";

export interface FieldTable {
  readonly id: number;
  readonly name: string;
  /** A scalar, or a function so that messages can refer to each other in any order. */
  readonly type: ScalarType | (() => MessageType<never>);
  readonly repeated?: true;
  /** A `map<mapKey, type>`. */
  readonly mapKey?: "string" | "int32";
  /** Absence differs from the default: sub-messages, oneof members, proto3 `optional`. */
  readonly optional?: true;
  /** The oneof it belongs to: of several members on the wire the last counts. */
  readonly oneof?: string;
  /** A 64-bit integer whose whole range matters; others are numbers, exact below 2^53. */
  readonly bigint?: true;
  /**
   * The field's name in the schema, where that differs from `name`; in schemas with a JSON form.
   */
  readonly original?: string;
  /** The values of an enum by name; in schemas with a JSON form. */
  readonly values?: () => Readonly<Record<string, number>>;
}

/** The argument of `encode`: every field may be absent, which means its default. */
export type Init<T> = T extends Buffer
  ? Uint8Array
  : T extends string | number | boolean | bigint | undefined
    ? T
    : T extends (infer E)[]
      ? readonly Init<E>[]
      : { readonly [K in keyof T]?: Init<T[K]> | undefined };

/** A message that is encoded already. It may stand where one of its type does, to be written. */
export class Encoded {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** A message that does not parse: cut short, or with a wire type that its schema does not allow. */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
  readonly code = "INVALID_PROTOBUF";
}

type Fields = Record<string, unknown>;
type Long = { low: number; high: number; toNumber(): number };

/** Encoding never waits, so one writer serves all. */
const WRITER = new BackwardWriter();
/** The default of every `bytes` field: it is empty, so no caller can modify it. */
const NO_BYTES = Buffer.alloc(0);

/** Depth of nested messages past which input is refused. */
const DECODE_DEPTH_MAX = 100;

/** Messages that one decoded may contain, unless its reader has a bound of its own. */
const DECODE_MESSAGES_MAX = 2 ** 30 - 1;
/** Messages that are left of that. Decoding never waits, so one count serves all. */
let messagesLeft = DECODE_MESSAGES_MAX;

/** One message of a schema: its table, and the codec that works from the table. */
export class MessageType<T> {
  readonly name: string;
  readonly #load: () => readonly FieldTable[];
  #fields: readonly FieldTable[] | undefined;
  #byId: (FieldTable | undefined)[] = [];
  /** Every field at its default, and those whose default must be a new object each time. */
  #defaults: Fields | undefined;
  #fresh: readonly FieldTable[] = [];

  constructor(name: string, load: () => readonly FieldTable[]) {
    this.name = name;
    this.#load = load;
  }

  get fields(): readonly FieldTable[] {
    if (!this.#fields) {
      this.#fields = this.#load();
      for (const field of this.#fields) this.#byId[field.id] = field;
    }
    return this.#fields;
  }

  /** A message with every field at its default. */
  create(): T {
    if (!this.#defaults) {
      this.#fresh = this.fields.filter((field) => field.repeated ?? field.mapKey);
      const defaults = this.fields.map((field) => [field.name, defaultOf(field)]);
      this.#defaults = Object.fromEntries(defaults) as Fields;
    }
    // A spread takes three times as long for objects of many shapes.
    const message: Fields = Object.assign({}, this.#defaults);
    for (const field of this.#fresh) message[field.name] = field.mapKey ? {} : [];
    return message as T;
  }

  /**
   * The bytes of `value`, after space for `before` others; fields at their default take no space
   * (proto3).
   */
  encode(value: Init<T>, before = 0): Buffer {
    try {
      this.encodeTo(value, WRITER);
      return WRITER.finish(before);
    } catch (thrown) {
      WRITER.reset();
      throw thrown;
    }
  }

  /** The last field goes first: the writer works backwards. */
  encodeTo(value: Init<T>, writer: BackwardWriter): void {
    const { fields } = this;
    for (let i = fields.length - 1; i >= 0; i--) {
      const field = fields[i]!;
      const item = (value as Fields)[field.name];
      if (item === undefined || item === null) continue;
      if (field.mapKey) encodeMap(field, item as Fields, writer);
      else if (field.repeated) encodeRepeated(field, item as readonly unknown[], writer);
      else if (field.optional || !isDefault(field, item)) encodeField(field, item, writer);
    }
  }

  /**
   * The message in `bytes`; `bytes` fields are views into them. Unknown fields are passed over.
   * Throws DecodeError on malformed input, and for more than so many messages within each other.
   */
  decode(bytes: Uint8Array, messages_max = DECODE_MESSAGES_MAX): T {
    messagesLeft = messages_max;
    const reader = protobuf.Reader.create(bytes);
    try {
      return this.decodeFrom(reader, reader.len, 0);
    } catch (thrown) {
      if (thrown instanceof RangeError || thrown instanceof Error) {
        throw new DecodeError(`${this.name}: ${thrown.message}`);
      }
      throw thrown;
    }
  }

  decodeFrom(reader: protobuf.Reader, end: number, depth: number): T {
    if (depth > DECODE_DEPTH_MAX) throw new DecodeError(`nested deeper than ${DECODE_DEPTH_MAX}`);
    if (messagesLeft-- <= 0) throw new DecodeError("it contains too many messages");
    const message = this.create() as Fields;
    let oneofSeen = false;
    while (reader.pos < end) {
      const tag = reader.uint32();
      const field = this.#byId[tag >>> 3];
      if (!field) reader.skipType(tag & 7);
      else if (field.mapKey) decodeEntry(field, message[field.name] as Fields, reader, depth);
      else if (field.repeated) decodeRepeated(field, message, tag & 7, reader, depth);
      else {
        expectWire(field, tag & 7);
        message[field.name] = decodeValue(field, reader, depth);
        if (field.oneof === undefined) continue;
        if (oneofSeen) this.#clearOthers(message, field);
        oneofSeen = true;
      }
    }
    if (reader.pos !== end) throw new DecodeError("a field runs past its message");
    return message as T;
  }

  /** Unsets the other members of a oneof: validation reads one member and would miss a second. */
  #clearOthers(message: Fields, { name, oneof }: FieldTable): void {
    for (const field of this.fields) {
      if (field.oneof === oneof && field.name !== name) message[field.name] = undefined;
    }
  }
}

function defaultOf(field: FieldTable): unknown {
  if (field.mapKey) return {};
  if (field.repeated) return [];
  if (field.optional || typeof field.type === "function") return undefined;
  if (field.bigint) return 0n;
  if (field.type === "string") return "";
  if (field.type === "bytes") return NO_BYTES;
  return field.type === "bool" ? false : 0;
}

export function isDefault(field: FieldTable, item: unknown): boolean {
  if (typeof field.type === "function") return false;
  if (field.type === "bytes") return (item as Uint8Array).length === 0;
  return item === "" || item === 0 || item === 0n || item === false;
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

function wireOf(type: FieldTable["type"]): number {
  if (typeof type === "function" || type === "string" || type === "bytes") return LENGTH;
  if (type === "double" || type === "fixed64") return FIXED64;
  return type === "float" || type === "fixed32" ? FIXED32 : VARINT;
}

function expectWire(field: FieldTable, wire: number): void {
  if (wire !== wireOf(field.type)) {
    throw new DecodeError(`field ${field.name} (${field.id}) has wire type ${wire}`);
  }
}

function writeTag(field: FieldTable, wire: number, writer: BackwardWriter): void {
  writer.varint(((field.id << 3) | wire) >>> 0);
}

const SIGNED_64 = { least: -(2n ** 63n), most: 2n ** 63n - 1n };
const UNSIGNED_64 = { least: 0n, most: 2n ** 64n - 1n };

/**
 * The integer that a field of 64 bits gets. A number that its type does not hold, as 2^63 which the
 * greatest int64 is decoded to, becomes the type's greatest or least.
 */
export function bits64(type: FieldTable["type"], item: number | bigint): bigint {
  if (typeof item === "bigint") return item;
  const whole = BigInt(item);
  const { least, most } = type === "int64" || type === "sint64" ? SIGNED_64 : UNSIGNED_64;
  return whole < least ? least : whole > most ? most : whole;
}

function encodeField(field: FieldTable, item: unknown, writer: BackwardWriter): void {
  encodeValue(field, item, writer);
  writeTag(field, wireOf(field.type), writer);
}

function encodeValue({ type }: FieldTable, item: unknown, writer: BackwardWriter): void {
  if (typeof type === "function") {
    if (item instanceof Encoded) return writer.bytes(item.bytes);
    const before = writer.length;
    type().encodeTo(item as never, writer);
    return writer.varint(writer.length - before);
  }
  switch (type) {
    case "bytes":
      return writer.bytes(item as Uint8Array);
    case "string":
      return writer.string(item as string);
    case "bool":
      return writer.varint(item ? 1 : 0);
    case "int32":
      return writer.signed((item as number) | 0);
    case "uint32":
      return writer.varint((item as number) >>> 0);
    case "sint32":
      return writer.varint((((item as number) << 1) ^ ((item as number) >> 31)) >>> 0);
    case "int64":
    case "uint64":
      return Number.isSafeInteger(item)
        ? writer.signed(item as number)
        : writer.varintBig(bits64(type, item as number | bigint));
    case "sint64": {
      const whole = bits64(type, item as number | bigint);
      return writer.varintBig((whole << 1n) ^ (whole >> 63n));
    }
    case "fixed32":
      return writer.fixed32(item as number);
    case "fixed64":
      return writer.fixed64(bits64(type, item as number | bigint));
    case "float":
      return writer.float(item as number);
    case "double":
      return writer.double(item as number);
    default:
      return unreachable(type, "field type");
  }
}

function encodeRepeated(field: FieldTable, items: readonly unknown[], writer: BackwardWriter) {
  if (items.length === 0) return;
  if (wireOf(field.type) === LENGTH) {
    for (let i = items.length - 1; i >= 0; i--) encodeField(field, items[i], writer);
    return;
  }
  const before = writer.length;
  for (let i = items.length - 1; i >= 0; i--) encodeValue(field, items[i], writer);
  writer.varint(writer.length - before);
  writeTag(field, LENGTH, writer);
}

function encodeMap(field: FieldTable, map: Fields, writer: BackwardWriter): void {
  const value = { ...field, id: 2 };
  for (const [key, item] of Object.entries(map).reverse()) {
    const before = writer.length;
    encodeField(value, item, writer);
    if (field.mapKey === "int32") {
      writer.signed(Number(key));
      writer.varint(8);
    } else {
      writer.string(key);
      writer.varint(10);
    }
    writer.varint(writer.length - before);
    writeTag(field, LENGTH, writer);
  }
}

function decodeValue(field: FieldTable, reader: protobuf.Reader, depth: number): unknown {
  const { type } = field;
  if (typeof type === "function") {
    const length = reader.uint32();
    if (reader.pos + length > reader.len) throw new DecodeError(`field ${field.name} is cut short`);
    return type().decodeFrom(reader, reader.pos + length, depth + 1);
  }
  if (!field.bigint && (type === "int64" || type === "uint64")) {
    const value = shortVarint(reader);
    if (value >= 0) return value;
  }
  if (type === "int64" || type === "uint64" || type === "sint64" || type === "fixed64") {
    const long = reader[type]() as unknown as Long;
    if (!field.bigint) return long.toNumber();
    const bits = (BigInt(long.high) << 32n) | BigInt(long.low >>> 0);
    return type === "int64" || type === "sint64"
      ? BigInt.asIntN(64, bits)
      : BigInt.asUintN(64, bits);
  }
  return reader[type]();
}

/**
 * Reads a varint of at most VARINT_BYTES_SHORT bytes without an object for its halves; returns -1,
 * having read nothing, for a longer one or one that is cut short.
 */
function shortVarint(reader: protobuf.Reader): number {
  const { buf, pos } = reader;
  const end = Math.min(pos + VARINT_BYTES_SHORT, reader.len);
  let value = 0;
  let unit = 1;
  for (let at = pos; at < end; at++) {
    const byte = buf[at]!;
    value += (byte & 0x7f) * unit;
    if (byte < 0x80) {
      reader.pos = at + 1;
      return value;
    }
    unit *= 0x80;
  }
  return -1;
}

/** Seven bits each: less than 2^53. */
const VARINT_BYTES_SHORT = 7;

function decodeRepeated(
  field: FieldTable,
  message: Fields,
  wire: number,
  reader: protobuf.Reader,
  depth: number,
): void {
  const items = message[field.name] as unknown[];
  if (wire !== LENGTH || wireOf(field.type) === LENGTH) {
    expectWire(field, wire);
    items.push(decodeValue(field, reader, depth));
    return;
  }
  const end = reader.uint32() + reader.pos;
  while (reader.pos < end) items.push(decodeValue(field, reader, depth));
}

function decodeEntry(field: FieldTable, map: Fields, reader: protobuf.Reader, depth: number): void {
  const end = reader.uint32() + reader.pos;
  let key: string | number = field.mapKey === "int32" ? 0 : "";
  let value: unknown =
    typeof field.type === "function" ? undefined : defaultOf({ ...field, mapKey: undefined });
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) key = field.mapKey === "int32" ? reader.int32() : reader.string();
    else if (tag >>> 3 === 2) value = decodeValue(field, reader, depth);
    else reader.skipType(tag & 7);
  }
  const filled = value ?? (field.type as () => MessageType<never>)().create();
  Object.defineProperty(map, key, {
    value: filled,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}
