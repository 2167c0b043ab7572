import { createHash } from "node:crypto";

/**
 * Returns hexadecimal digits that stand for a longer text in an object's name: 128 bits, since of
 * 48 a tenant finds a name with the digits of another's within hours.
 */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}
