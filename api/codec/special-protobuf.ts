/** The special types in protobuf: each is a message of its own. */

import { parseExact } from "@raft2kube/std/exact-json.ts";
import { isDeeper } from "@raft2kube/std/record.ts";
import type protobuf from "protobufjs/minimal.js";
import { formatDuration, parseDuration } from "../duration.ts";
import { DEPTH_MAX } from "../limits.ts";
import type { Special } from "../schema.ts";
import { formatMicroTime, formatTime, isWritable, type Moment, parseTime } from "../time.ts";
import { DecodeError } from "./decode-error.ts";
import type { JsonObject } from "./json.ts";
import { checkedQuantity } from "./special-json.ts";

export type Writer = protobuf.Writer;
export type Reader = protobuf.Reader;

/** Writes and reads the JSON schemas that stand in special values. */
export interface SchemaCodec {
  write(schema: JsonObject, writer: Writer): void;
  read(reader: Reader, end: number, depth: number): JsonObject;
}

const MAGIC = "k8s\0";

const tagOf = (id: number, wire: number): number => (id << 3) | wire;

/** The contents of the message of one special value; an absent one gives Go's zero. */
export function writeSpecial(
  special: Special,
  value: unknown,
  writer: Writer,
  schemas: SchemaCodec,
): void {
  switch (special) {
    case "Time":
    case "MicroTime":
      return writeTime(value, writer);
    case "Duration": {
      const nanos = parseDuration((value ?? "0s") as string) ?? 0n;
      writer.uint32(tagOf(1, 0)).int64(Number(nanos));
      return;
    }
    case "Quantity":
      writer.uint32(tagOf(1, 2)).string((value ?? "0") as string);
      return;
    case "IntOrString": {
      const text = typeof value === "string";
      writer.uint32(tagOf(1, 0)).int64(text ? 1 : 0);
      writer.uint32(tagOf(2, 0)).int32(text ? 0 : ((value ?? 0) as number));
      writer.uint32(tagOf(3, 2)).string(text ? value : "");
      return;
    }
    case "RawExtension":
    case "FieldsV1":
    case "JSON":
      if (value === undefined) return;
      writer.uint32(tagOf(1, 2)).bytes(Buffer.from(JSON.stringify(value)));
      return;
    default:
      writeSchemaChoice(special, value, writer, schemas);
  }
}

function writeTime(value: unknown, writer: Writer): void {
  const moment = typeof value === "string" ? parseTime(value) : undefined;
  if (moment === undefined) return;
  writer.uint32(tagOf(1, 0)).int64(moment.seconds);
  writer.uint32(tagOf(2, 0)).int32(moment.nanos);
}

function writeSchemaChoice(
  special: Special,
  value: unknown,
  writer: Writer,
  schemas: SchemaCodec,
): void {
  const writeSchema = (id: number, schema: unknown) => {
    writer.uint32(tagOf(id, 2)).fork();
    schemas.write(schema as JsonObject, writer);
    writer.ldelim();
  };
  const isSchema = typeof value === "object" && value !== null && !Array.isArray(value);
  if (special === "SchemaOrBool") {
    writer.uint32(tagOf(1, 0)).bool(value === true || isSchema);
    if (isSchema) writeSchema(2, value);
  } else if (isSchema) writeSchema(1, value);
  else if (special === "SchemaOrArray") {
    for (const each of (value ?? []) as unknown[]) writeSchema(2, each);
  } else for (const each of (value ?? []) as string[]) writer.uint32(tagOf(2, 2)).string(each);
}

/** One special value out of its message, which ends at `end`; undefined for Go's zero time. */
export function specialFromProtobuf(
  special: Special,
  reader: Reader,
  end: number,
  depth: number,
  schemas: SchemaCodec,
): unknown {
  switch (special) {
    case "Time":
    case "MicroTime": {
      const moment = readTime(reader, end);
      if (moment === undefined) return undefined;
      return special === "Time" ? formatTime(moment) : formatMicroTime(moment);
    }
    case "Duration": {
      let nanos = 0n;
      each(reader, end, (id) => {
        if (id !== 1) return false;
        nanos = BigInt(reader.int64().toString());
        return true;
      });
      return formatDuration(nanos);
    }
    case "Quantity": {
      let text = "0";
      each(reader, end, (id) => id === 1 && ((text = reader.string()), true));
      return checkedQuantity(text);
    }
    case "IntOrString":
      return readIntOrString(reader, end);
    case "RawExtension":
    case "FieldsV1":
    case "JSON":
      return readJson(reader, end);
    default:
      return readSchemaChoice(special, reader, end, depth, schemas);
  }
}

/** Calls `take` with each field number; what it does not take is skipped. */
function each(reader: Reader, end: number, take: (id: number) => boolean): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!take(tag >>> 3)) reader.skipType(tag & 7, 0, tag >>> 3);
  }
}

function readTime(reader: Reader, end: number): Moment | undefined {
  if (reader.pos === end) return undefined;
  let seconds = 0;
  let nanos = 0;
  each(reader, end, (id) => {
    if (id === 1) seconds = Number(reader.int64());
    else if (id === 2) nanos = reader.int32();
    return id === 1 || id === 2;
  });
  const moment = { seconds, nanos };
  if (!isWritable(moment)) throw new DecodeError("time: year outside of range [0,9999]");
  return moment;
}

function readIntOrString(reader: Reader, end: number): number | string {
  let isText = false;
  let number = 0;
  let text = "";
  each(reader, end, (id) => {
    if (id === 1) isText = Number(reader.int64()) === 1;
    else if (id === 2) number = reader.int32();
    else if (id === 3) text = reader.string();
    return id <= 3;
  });
  return isText ? text : number;
}

function readJson(reader: Reader, end: number): unknown {
  let raw: Buffer | undefined;
  each(reader, end, (id) => id === 1 && ((raw = Buffer.from(reader.bytes())), true));
  if (raw === undefined || raw.length === 0) return undefined;
  const text = raw.toString("utf8");
  if (text.startsWith(MAGIC)) {
    throw new DecodeError("proto: an embedded object is in protobuf, only JSON is supported there");
  }
  let value: unknown;
  try {
    value = parseExact(text);
  } catch (error) {
    throw new DecodeError(`proto: an embedded object is no JSON: ${String(error)}`);
  }
  if (isDeeper(value, DEPTH_MAX)) throw new DecodeError("proto: exceeded max depth");
  return value;
}

function readSchemaChoice(
  special: Special,
  reader: Reader,
  end: number,
  depth: number,
  { read }: SchemaCodec,
): unknown {
  const schemas: JsonObject[] = [];
  const texts: string[] = [];
  let allows = false;
  let single = false;
  each(reader, end, (id) => {
    if (special === "SchemaOrBool" && id === 1) allows = reader.bool();
    else if (special === "SchemaOrStrings" && id === 2) texts.push(reader.string());
    else if (id <= 2) {
      single = special === "SchemaOrBool" || id === 1;
      const inner = reader.uint32() + reader.pos;
      schemas.push(read(reader, inner, depth + 1));
    }
    return id <= 2;
  });
  if (single) return schemas[0];
  if (special === "SchemaOrBool") return allows;
  return special === "SchemaOrArray" ? schemas : texts;
}
