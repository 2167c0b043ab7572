/** Checks values against a schema, with the texts of upstream's validation. */
import type { FieldError } from "@raft2kube/api/errors.ts";
import type { Structural } from "./structural.ts";

/**
 * The errors of a value. With `old`, parts that did not change since are not complained about
 * (upstream's ratcheting). `path` is the value's own, "" for a whole object.
 */
export function validateValue(
  _schema: Structural, _value: unknown, _old?: unknown, _path?: string,
): FieldError[] {
  throw new Error("not written yet");
}
