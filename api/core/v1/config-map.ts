/** ConfigMap: settings by key, as text or bytes. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, tooLong } from "../../errors.ts";
import type { ConfigMap, Secret } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { invalidBy } from "../../validation/checks.ts";
import { configKey } from "../../validation/names.ts";

/** The most that a ConfigMap or a Secret holds. */
export const DATA_BYTES_MAX = 1024 * 1024;

/** The complaints about keys at a path such as `data`. */
export function validateKeys(data: Record<string, string> = {}, path: string): FieldError[] {
  return Object.keys(data).flatMap((key) => invalidBy(configKey, `${path}[${key}]`, key));
}

/** The size of base64 texts once decoded. */
export function decodedBytes(data: Record<string, string> = {}): number {
  return Object.values(data).reduce((sum, each) => sum + Buffer.byteLength(each, "base64"), 0);
}

/** The immutable fields of an object marked immutable. */
export function validateFrozen(
  object: ConfigMap | Secret,
  old: ConfigMap | Secret,
  fields: readonly string[],
): FieldError[] {
  if (old.immutable !== true) return [];
  const complaint = "field is immutable when `immutable` is set";
  const errors = object.immutable === true ? [] : [forbidden("immutable", complaint)];
  for (const name of fields) {
    const now = (object as unknown as Record<string, unknown>)[name] ?? {};
    const before = (old as unknown as Record<string, unknown>)[name] ?? {};
    if (!isDeepStrictEqual(now, before)) errors.push(forbidden(name, complaint));
  }
  return errors;
}

function validate(object: ConfigMap): FieldError[] {
  const { data = {}, binaryData = {} } = object;
  const twice = Object.keys(data)
    .filter((key) => Object.hasOwn(binaryData, key))
    .map((key) => invalid(`data[${key}]`, key, "duplicate of key present in binaryData"));
  const errors = [
    ...validateKeys(data, "data"),
    ...twice,
    ...validateKeys(binaryData, "binaryData"),
  ];
  const text_bytes = Object.values(data).reduce((sum, each) => sum + Buffer.byteLength(each), 0);
  if (text_bytes + decodedBytes(binaryData) > DATA_BYTES_MAX) {
    errors.push(tooLong("[]", DATA_BYTES_MAX));
  }
  return errors;
}

export const configMap: Kind<ConfigMap> = defineKind<ConfigMap>("core/v1.ConfigMap", {
  validate,
  validateUpdate: (object, old) => validateFrozen(object, old, ["data", "binaryData"]),
  columns: [
    nameColumn,
    column(
      "Data",
      (object) =>
        Object.keys(object.data ?? {}).length + Object.keys(object.binaryData ?? {}).length,
    ),
    ageColumn,
  ],
});
