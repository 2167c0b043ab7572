/** The envelope around protobuf objects: four bytes of magic, then `runtime.Unknown`. */
import protobuf from "protobufjs/minimal.js";
import type { SchemaRef } from "../schema.ts";
import { DecodeError } from "./decode-error.ts";
import { decodeProtobuf, encodeProtobuf, malformed } from "./protobuf.ts";

const MAGIC = Buffer.from("k8s\0", "latin1");

const TYPE_META = 1;
const RAW = 2;
const CONTENT_ENCODING = 3;
const CONTENT_TYPE = 4;
const DELIMITED = 2;

/** The envelope of a message: its object's type, and the message. */
export interface Envelope {
  readonly apiVersion: string;
  readonly kind: string;
  readonly raw: Uint8Array;
}

/** Whether bytes start as the envelope does. */
export function isEnvelope(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.equals(bytes.subarray(0, MAGIC.length));
}

/** Reads the envelope. Throws `DecodeError`. */
export function readEnvelope(bytes: Uint8Array): Envelope {
  if (!isEnvelope(bytes)) {
    throw new DecodeError(
      "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
    );
  }
  let apiVersion = "";
  let kind = "";
  let raw: Uint8Array = Buffer.alloc(0);
  let encoding = "";
  try {
    const reader = protobuf.Reader.create(bytes.subarray(MAGIC.length));
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      switch (tag >>> 3) {
        case TYPE_META:
          ({ apiVersion, kind } = readTypeMeta(reader));
          break;
        case RAW:
          raw = reader.bytes();
          break;
        case CONTENT_ENCODING:
          encoding = reader.string();
          break;
        default:
          reader.skipType(tag & 7, 0, tag >>> 3);
      }
    }
  } catch (error) {
    throw malformed(error);
  }
  if (encoding !== "") throw new DecodeError(`content encoding ${encoding} is not supported`);
  return { apiVersion, kind, raw };
}

function readTypeMeta(reader: protobuf.Reader): { apiVersion: string; kind: string } {
  const end = reader.uint32() + reader.pos;
  const found = { apiVersion: "", kind: "" };
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag >>> 3 === 1) found.apiVersion = reader.string();
    else if (tag >>> 3 === 2) found.kind = reader.string();
    else reader.skipType(tag & 7, 0, tag >>> 3);
  }
  return found;
}

/** Puts a message into the envelope. */
function writeEnvelope({ apiVersion, kind, raw }: Envelope): Buffer {
  const { before, behind } = envelopeAround({ apiVersion, kind }, raw.length);
  return Buffer.concat([before, raw, behind]);
}

/** Returns an envelope's bytes before and after a message of this length. */
export function envelopeAround(
  { apiVersion, kind }: Omit<Envelope, "raw">,
  bytes: number,
): { before: Buffer; behind: Buffer } {
  const head = protobuf.Writer.create();
  head
    .uint32((TYPE_META << 3) | DELIMITED)
    .fork()
    .uint32((1 << 3) | DELIMITED)
    .string(apiVersion)
    .uint32((2 << 3) | DELIMITED)
    .string(kind)
    .ldelim();
  head.uint32((RAW << 3) | DELIMITED).uint32(bytes);
  const tail = protobuf.Writer.create();
  tail.uint32((CONTENT_ENCODING << 3) | DELIMITED).string("");
  tail.uint32((CONTENT_TYPE << 3) | DELIMITED).string("");
  const behind = tail.finish();
  return { before: Buffer.concat([MAGIC, head.finish()]), behind: Buffer.from(behind) };
}

type Typed = { readonly apiVersion?: string; readonly kind?: string };

/** An object of the schema (`core/v1.Pod`) with its envelope. */
export function encodeObject(schema: SchemaRef, object: Typed): Buffer {
  const { apiVersion = "", kind = "" } = object;
  return writeEnvelope({ apiVersion, kind, raw: encodeProtobuf(schema, object) });
}

/** The object of an envelope whose schema the caller found by its type. Throws `DecodeError`. */
export function decodeObject<T>(schema: string, { apiVersion, kind, raw }: Envelope): T {
  const object = decodeProtobuf<object>(schema, raw);
  return {
    ...(kind === "" ? {} : { kind }),
    ...(apiVersion === "" ? {} : { apiVersion }),
    ...object,
  } as T;
}
