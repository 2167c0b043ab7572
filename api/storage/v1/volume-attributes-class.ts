/** VolumeAttributesClass: a name for how a driver is to treat volumes. */

import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, required, tooLong } from "../../errors.ts";
import type { VolumeAttributesClass } from "../../gen/storage/v1.ts";
import type { Kind } from "../../kind.ts";
import { qualifiedName } from "../../validation/names.ts";

const SCHEMA = "storage/v1.VolumeAttributesClass";
const PARAMETERS_MAX = 512;
const PARAMETERS_BYTES_MAX = 256 * 1024;

function validate({ driverName, parameters = {} }: VolumeAttributesClass): FieldError[] {
  const errors =
    driverName === ""
      ? [required("driverName")]
      : qualifiedName(driverName.toLowerCase()).map((each) =>
          invalid("driverName", driverName, each),
        );
  const entries = Object.entries(parameters);
  if (entries.length === 0) {
    errors.push(required("parameters", "must contain at least one key/value pair"));
  }
  if (entries.length > PARAMETERS_MAX) errors.push(tooLong("parameters", PARAMETERS_MAX));
  if (Object.hasOwn(parameters, "")) {
    errors.push(invalid("parameters", "", "field can not be empty."));
  }
  const size_bytes = entries.reduce(
    (sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  return size_bytes <= PARAMETERS_BYTES_MAX
    ? errors
    : [...errors, tooLong("parameters", PARAMETERS_BYTES_MAX)];
}

function validateUpdate(object: VolumeAttributesClass, old: VolumeAttributesClass): FieldError[] {
  return (["driverName", "parameters"] as const).flatMap((name) =>
    isDeepStrictEqual(object[name], old[name])
      ? []
      : [forbidden(name, "updates to " + name + " are forbidden.")],
  );
}

export const volumeAttributesClass: Kind<VolumeAttributesClass> = defineKind<VolumeAttributesClass>(
  SCHEMA,
  {
    validate,
    validateUpdate,
    columns: [nameColumn, column("DriverName", (object) => object.driverName), ageColumn],
  },
);
