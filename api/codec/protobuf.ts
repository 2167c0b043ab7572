/**
 * Objects to and from protobuf, by the field numbers of the facts. Written as upstream writes:
 * every field that is no pointer stands there, maps sorted by key, lists not packed. Read into the
 * same canonical form as JSON is.
 */
import protobuf from "protobufjs/minimal.js";
import { DEPTH_MAX } from "../limits.ts";
import {
  type Field,
  JSON_SCHEMA,
  type Scalar,
  type SchemaRef,
  type Shape,
  type Struct,
  structOf,
} from "../schema.ts";
import { DecodeError } from "./decode-error.ts";
import { absentValue, isEmptyValue, type JsonObject, zeroMember } from "./json.ts";
import {
  type Reader,
  type SchemaCodec,
  specialFromProtobuf,
  type Writer,
  writeSpecial,
} from "./special-protobuf.ts";

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;

/** The message of an object of a structure, without envelope. */
export function encodeProtobuf(schema: SchemaRef, object: object): Buffer {
  const writer = protobuf.Writer.create();
  writeStruct(structOf(schema), object as JsonObject, writer);
  return Buffer.from(writer.finish());
}

/** The object of a message of the structure `name`. Throws `DecodeError`. */
export function decodeProtobuf<T>(name: string, bytes: Uint8Array): T {
  try {
    const reader = protobuf.Reader.create(bytes);
    return readStruct(structOf(name), reader, reader.len, 0) as T;
  } catch (error) {
    throw malformed(error);
  }
}

/**
 * Returns the error for bytes that are not protobuf: the reader throws plain errors, RangeErrors
 * for truncated input. Any other error is not about the bytes, and is returned unchanged.
 */
export function malformed(error: unknown): unknown {
  const plain =
    error instanceof RangeError || (error instanceof Error && error.constructor === Error);
  if (!plain) return error;
  const inGo = error.message.replace(/^invalid wire type (\d).*/, "illegal wireType $1");
  return new DecodeError(`proto: ${inGo}`);
}

function writeStruct(struct: Struct, object: JsonObject, writer: Writer): void {
  for (const [id, field] of fieldsById(struct)) {
    const { inline } = field.fact;
    if (inline === true) writeMessage(field.shape, id, object, writer);
    else writeField(field, id, object[field.fact.name], writer);
  }
}

const SCHEMAS: SchemaCodec = {
  write: (schema, writer) => writeStruct(structOf(JSON_SCHEMA), schema, writer),
  read: (reader, end, depth) => readStruct(structOf(JSON_SCHEMA), reader, end, depth),
};

function writeMessage(shape: Shape, id: number, object: JsonObject, writer: Writer): void {
  if (shape.is !== "struct") throw new TypeError(`field ${id} is no structure`);
  writer.uint32((id << 3) | DELIMITED).fork();
  writeStruct(structOf(shape.of), object, writer);
  writer.ldelim();
}

function writeField(field: Field, id: number, value: unknown, writer: Writer): void {
  const { shape } = field;
  const absent = value === undefined || value === null;
  if (shape.is === "list" && !shape.wrapped) {
    for (const each of absent ? [] : (value as unknown[])) writeValue(shape.of, id, each, writer);
  } else if (shape.is === "map") {
    for (const key of Object.keys(absent ? {} : (value as object)).sort()) {
      writer
        .uint32((id << 3) | DELIMITED)
        .fork()
        .uint32((1 << 3) | DELIMITED)
        .string(key);
      writeValue(shape.of, 2, (value as JsonObject)[key], writer);
      writer.ldelim();
    }
  } else if (!absent) writeValue(shape, id, value, writer);
  else if (field.fact.pointer !== true) writeValue(shape, id, undefined, writer);
}

function writeValue(shape: Shape, id: number, value: unknown, writer: Writer): void {
  switch (shape.is) {
    case "scalar":
      return writeScalar(shape.scalar, id, value, writer);
    case "struct":
      return writeMessage(shape, id, (value ?? {}) as JsonObject, writer);
    case "special":
      writer.uint32((id << 3) | DELIMITED).fork();
      writeSpecial(shape.special, value, writer, SCHEMAS);
      writer.ldelim();
      return;
    case "list":
      writer.uint32((id << 3) | DELIMITED).fork();
      for (const each of (value ?? []) as unknown[]) writeValue(shape.of, 1, each, writer);
      writer.ldelim();
      return;
    case "map":
      throw new TypeError(`field ${id} is a map inside a list or map`);
  }
}

function writeScalar(scalar: Scalar, id: number, value: unknown, writer: Writer): void {
  switch (scalar) {
    case "string":
      writer.uint32((id << 3) | DELIMITED).string((value ?? "") as string);
      return;
    case "bytes":
      if (value === undefined || value === null) return;
      writer.uint32((id << 3) | DELIMITED).bytes(Buffer.from(value as string, "base64"));
      return;
    case "bool":
      writer.uint32((id << 3) | VARINT).bool(value === true);
      return;
    case "int32":
      writer.uint32((id << 3) | VARINT).int32((value ?? 0) as number);
      return;
    case "int64":
      writer.uint32((id << 3) | VARINT).int64((value ?? 0) as number);
      return;
    case "double":
      writer.uint32((id << 3) | FIXED64).double((value ?? 0) as number);
  }
}

/** Reads a structure up to `end`; unknown numbers are skipped, as protobuf asks. */
function readStruct(struct: Struct, reader: Reader, end: number, depth: number): JsonObject {
  if (depth > DEPTH_MAX) throw new DecodeError("proto: exceeded max depth");
  const byId = fieldsById(struct);
  const read = new Map<Field, unknown>();
  while (reader.pos < end) {
    const tag = reader.uint32();
    const field = byId.get(tag >>> 3);
    if (field === undefined) reader.skipType(tag & 7, 0, tag >>> 3);
    else read.set(field, readField(field, tag & 7, reader, depth, read.get(field)));
  }
  return canonical(struct, read);
}

const numbered = new WeakMap<Struct, Map<number, Field>>();

/** The fields by number, in the order in which they are written. */
function fieldsById(struct: Struct): Map<number, Field> {
  let known = numbered.get(struct);
  if (known === undefined) {
    known = new Map(
      struct.own
        .flatMap((each): [number, Field][] =>
          each.fact.id === undefined ? [] : [[each.fact.id, each]],
        )
        .sort(([a], [b]) => a - b),
    );
    numbered.set(struct, known);
  }
  return known;
}

function canonical(struct: Struct, read: ReadonlyMap<Field, unknown>): JsonObject {
  const result: JsonObject = {};
  for (const field of struct.own) {
    const value = read.get(field) ?? absentValue(field);
    if (value === undefined) continue;
    const { name, inline, omitempty, pointer } = field.fact;
    if (inline === true) Object.assign(result, value);
    else if (omitempty !== true || pointer === true || !isEmptyValue(field.shape, value)) {
      result[name] = value;
    }
  }
  return result;
}

function readField(
  field: Field,
  wire: number,
  reader: Reader,
  depth: number,
  before: unknown,
): unknown {
  const { shape } = field;
  checkWire(field, wire);
  if (shape.is === "list" && !shape.wrapped) {
    const list = (before ?? []) as unknown[];
    if (wire === DELIMITED && isPackable(shape.of)) {
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) list.push(readValue(shape.of, reader, depth));
    } else list.push(readValue(shape.of, reader, depth));
    return list;
  }
  if (shape.is === "map") {
    const entries = (before ?? {}) as JsonObject;
    const [key, value] = readEntry(shape.of, reader, depth);
    Object.defineProperty(entries, key, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
    return entries;
  }
  return readValue(shape, reader, depth);
}

/** Throws when a field stands in another form than it has: its bytes would be read as others. */
function checkWire({ shape, fact }: Field, wire: number): void {
  const item = shape.is === "list" && !shape.wrapped ? shape.of : shape;
  const packed = item !== shape && wire === DELIMITED && isPackable(item);
  if (packed || wire === wireOf(item)) return;
  throw new DecodeError(`proto: wrong wireType = ${wire} for field ${fact.name}`);
}

function wireOf(shape: Shape): number {
  if (!isPackable(shape)) return DELIMITED;
  return shape.is === "scalar" && shape.scalar === "double" ? FIXED64 : VARINT;
}

function isPackable(shape: Shape): boolean {
  return shape.is === "scalar" && shape.scalar !== "string" && shape.scalar !== "bytes";
}

function readEntry(shape: Shape, reader: Reader, depth: number): [string, unknown] {
  const end = reader.uint32() + reader.pos;
  let key = "";
  let value: unknown;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) key = reader.string();
    else if (tag >>> 3 === 2) value = readValue(shape, reader, depth);
    else reader.skipType(tag & 7, 0, tag >>> 3);
  }
  return [key, value ?? zeroMember(shape)];
}

function readValue(shape: Shape, reader: Reader, depth: number): unknown {
  switch (shape.is) {
    case "scalar":
      return readScalar(shape.scalar, reader);
    case "struct": {
      const end = reader.uint32() + reader.pos;
      return readStruct(structOf(shape.of), reader, end, depth + 1);
    }
    case "special": {
      const end = reader.uint32() + reader.pos;
      return specialFromProtobuf(shape.special, reader, end, depth, SCHEMAS);
    }
    case "list": {
      const end = reader.uint32() + reader.pos;
      const list: unknown[] = [];
      while (reader.pos < end) {
        const tag = reader.uint32();
        if (tag >>> 3 === 1) list.push(readValue(shape.of, reader, depth));
        else reader.skipType(tag & 7, 0, tag >>> 3);
      }
      return list;
    }
    case "map":
      throw new DecodeError("proto: a map inside a list or map");
  }
}

function readScalar(scalar: Scalar, reader: Reader): unknown {
  switch (scalar) {
    case "string":
      return reader.string();
    case "bytes":
      return Buffer.from(reader.bytes()).toString("base64");
    case "bool":
      return reader.bool();
    case "int32":
      return reader.int32();
    case "int64":
      return wholeNumber(reader);
    case "double":
      return reader.double();
  }
}

/** Reads an integer. One that a number cannot represent exactly is rejected, as in JSON. */
function wholeNumber(reader: Reader): number {
  const long = reader.int64();
  const number = Number(long);
  if (Number.isSafeInteger(number)) return number;
  throw new DecodeError(
    `proto: the number ${String(long)} cannot be held exactly: its size is above 2^53`,
  );
}
