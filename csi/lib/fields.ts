import path from "node:path";
import { invalidArgument } from "./errors.ts";
import { MAP_BYTES_MAX, PATH_BYTES_MAX, STRING_BYTES_MAX } from "./limits.ts";

/** A required string within the spec's size limit; `field` is its name in the .proto file. */
export function requireString(field: string, value: string): string {
  if (value === "") throw invalidArgument(`${field} is missing`);
  if (Buffer.byteLength(value) > STRING_BYTES_MAX) {
    throw invalidArgument(`${field} is longer than ${STRING_BYTES_MAX} bytes`);
  }
  return value;
}

/**
 * A required absolute path in its plain form: no `.`, `..` or doubled slash to be resolved later.
 */
export function requirePath(field: string, value: string): string {
  if (value === "") throw invalidArgument(`${field} is missing`);
  if (Buffer.byteLength(value) > PATH_BYTES_MAX) {
    throw invalidArgument(`${field} is longer than ${PATH_BYTES_MAX} bytes`);
  }
  if (value.includes("\0")) throw invalidArgument(`${field} contains a zero byte`);
  const plain = path.normalize(value);
  const trimmed = plain.length > 1 ? plain.replace(/\/$/, "") : plain;
  if (!path.isAbsolute(value) || value.split("/").includes("..")) {
    throw invalidArgument(`${field} is not a plain absolute path: ${value}`);
  }
  return trimmed;
}

/** A map of strings within the spec's size limit. */
export function requireSmallMap(field: string, map: Readonly<Record<string, string>>): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(map)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAP_BYTES_MAX) {
    throw invalidArgument(`${field} is larger than ${MAP_BYTES_MAX} bytes`);
  }
}
