import { parseMediaType } from "../request/media-type.ts";
import { PROTOBUF_TYPE } from "@raft2kube/apimachinery/decode/media-types.ts";
import {
  JSON_BYTES_PER_VALUE,
  LARGE_BYTES_MIN,
  LARGE_VALUES,
  PROTOBUF_BYTES_PER_VALUE,
  YAML_BYTES_PER_VALUE,
} from "../limits.ts";

const COMMA = 0x2c;
const COLON = 0x3a;

/** Whether a body of this content type is too much work for the event loop. */
export function isLargeBody(contentType: string, body: Uint8Array): boolean {
  if (body.length < LARGE_BYTES_MIN) return false;
  const { type } = parseMediaType(contentType);
  if (type === PROTOBUF_TYPE) return body.length > LARGE_VALUES * PROTOBUF_BYTES_PER_VALUE;
  if (type.includes("yaml")) return body.length > LARGE_VALUES * YAML_BYTES_PER_VALUE;
  return isLargeJson(body);
}

/**
 * The same for JSON. Behind each value but the last stands a comma, before each member's a colon;
 * those within texts count too, which sends a text away that could have stayed.
 */
export function isLargeJson(json: Uint8Array): boolean {
  if (json.length < LARGE_BYTES_MIN) return false;
  if (json.length > LARGE_VALUES * JSON_BYTES_PER_VALUE) return true;
  let values = 0;
  for (const byte of json) {
    if (byte !== COMMA && byte !== COLON) continue;
    values++;
    if (values > LARGE_VALUES) return true;
  }
  return false;
}
