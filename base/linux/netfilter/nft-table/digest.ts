import { createHash } from "node:crypto";

/** Returns the part of an object's name that stands for a longer text. */
export function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
