import { JSON_TYPE, PROTOBUF_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import { BYTES_PER_VALUE, LARGE_BYTES_MIN, LARGE_VALUES } from "../limits.ts";
import { parseMediaType } from "../request/media-type.ts";

const COMMA = 0x2c;
const COLON = 0x3a;

/**
 * Whether an object in these bytes is too much work for the event loop: its values are many, or its
 * bytes. In JSON a comma follows each value but the last, and a colon each member's name; those
 * within texts count too, so that a text may be offloaded that need not be.
 */
export function isLarge(bytes: Uint8Array, contentType: string = JSON_TYPE): boolean {
  if (bytes.length < LARGE_BYTES_MIN) return false;
  const { type } = parseMediaType(contentType);
  const form = type.includes("yaml") ? "yaml" : type === PROTOBUF_TYPE ? "protobuf" : "json";
  if (bytes.length > LARGE_VALUES * BYTES_PER_VALUE[form]) return true;
  let values = 0;
  for (const byte of bytes) if (byte === COMMA || byte === COLON) values++;
  return values > LARGE_VALUES;
}
