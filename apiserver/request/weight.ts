import { JSON_TYPE, PROTOBUF_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { isObject, type Json } from "@raft2kube/apimachinery/json/json.ts";
import { PATCH_TYPES } from "@raft2kube/apimachinery/patch/read-patch.ts";
import { tolerateSync } from "@raft2kube/std/errors.ts";
import {
  BYTES_PER_VALUE,
  LARGE_BYTES_MIN,
  LARGE_VALUES,
  SMALL_PATCH_COPIES_MAX,
} from "../limits.ts";
import { parseMediaType } from "./media-type.ts";

const COMMA = 0x2c;
const COLON = 0x3a;

/**
 * Whether an object in these bytes is too much work for the event loop: its values are many, or its
 * bytes. In JSON a comma follows each value but the last, and a colon each member's name; those
 * within texts count too, so that a text may be offloaded that need not be.
 */
export function isLarge(bytes: Uint8Array, contentType: string = JSON_TYPE): boolean {
  const { type } = parseMediaType(contentType);
  if (bytes.length < LARGE_BYTES_MIN) return type === PATCH_TYPES.json && copiesOften(bytes);
  const form = type.includes("yaml") ? "yaml" : type === PROTOBUF_TYPE ? "protobuf" : "json";
  if (bytes.length > LARGE_VALUES * BYTES_PER_VALUE[form]) return true;
  let values = 0;
  for (const byte of bytes) if (byte === COMMA || byte === COLON) values++;
  return values > LARGE_VALUES || (type === PATCH_TYPES.json && copiesOften(bytes));
}

/** Whether a JSON patch may make a large object of a small one. */
function copiesOften(bytes: Uint8Array): boolean {
  const parse = () => JSON.parse(Buffer.from(bytes).toString("utf8")) as unknown;
  const patch = tolerateSync(parse, (thrown) => thrown instanceof SyntaxError);
  if (!Array.isArray(patch)) return false;
  const copies = patch.filter((each: Json) => isObject(each) && each["op"] === "copy");
  return copies.length > SMALL_PATCH_COPIES_MAX;
}
