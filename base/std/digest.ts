import { createHash } from "node:crypto";

/** Returns hexadecimal digits, at most 64, that stand for a longer text in an object's name. */
export function digest(text: string, digits = 12): string {
  return createHash("sha256").update(text).digest("hex").slice(0, digits);
}
