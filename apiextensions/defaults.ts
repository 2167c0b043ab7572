/** Defaults of a schema, for objects that are written or read. */
import type { Structural } from "./structural.ts";

/** Fills in defaults, in place. Twice gives the same as once. */
export function applyDefaults(_schema: Structural | undefined, _value: unknown): void {
  throw new Error("not written yet");
}
