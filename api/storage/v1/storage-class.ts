/** StorageClass: how volumes are made when a claim asks for one. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, notSupported, required, tooLong } from "../../errors.ts";
import type { StorageClass } from "../../gen/storage/v1.ts";
import type { Kind } from "../../kind.ts";
import { immutable } from "../../validation/metadata.ts";
import { qualifiedName } from "../../validation/names.ts";
import { validateTopologies } from "./topologies.ts";

const DEFAULT_ANNOTATIONS = [
  "storageclass.kubernetes.io/is-default-class",
  "storageclass.beta.kubernetes.io/is-default-class",
];
const RECLAIM_POLICIES = ["Delete", "Retain"];
const BINDING_MODES = ["Immediate", "WaitForFirstConsumer"];
const PARAMETERS_BYTES_MAX = 256 * 1024;

/** The class of claims that name none. */
export function isDefaultClass(object: StorageClass): boolean {
  return DEFAULT_ANNOTATIONS.some((name) => object.metadata.annotations?.[name] === "true");
}

/** Sets `reclaimPolicy` to Delete and `volumeBindingMode` to Immediate where they are not set. */
function fillDefaults(object: StorageClass): void {
  // lab:07c begin storage-class-defaults
  object.reclaimPolicy ??= "Delete";
  object.volumeBindingMode ??= "Immediate";
  // lab:07c end
}

/**
 * Returns what is wrong, field by field, with upstream's reasons: a provisioner that is missing
 * (required) or no qualified name in lower case (invalid); an empty key in `parameters` (invalid),
 * or more than PARAMETERS_BYTES_MAX of their keys and values (too long); a policy or binding mode
 * that does not exist (not supported). An empty policy is accepted.
 */
function validate(object: StorageClass): FieldError[] {
  const { provisioner, reclaimPolicy, volumeBindingMode, parameters = {} } = object;
  // lab:07c begin storage-class-validate
  const errors =
    provisioner === ""
      ? [required("provisioner")]
      : qualifiedName(provisioner.toLowerCase()).map((each) =>
          invalid("provisioner", provisioner.toLowerCase(), each),
        );
  let size_bytes = 0;
  for (const [key, value] of Object.entries(parameters)) {
    if (key === "") errors.push(invalid("parameters", key, "field can not be empty."));
    size_bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size_bytes > PARAMETERS_BYTES_MAX) errors.push(tooLong("parameters", PARAMETERS_BYTES_MAX));
  if ((reclaimPolicy ?? "") !== "" && !RECLAIM_POLICIES.includes(reclaimPolicy!)) {
    errors.push(notSupported("reclaimPolicy", reclaimPolicy, RECLAIM_POLICIES));
  }
  if (!BINDING_MODES.includes(volumeBindingMode!)) {
    errors.push(notSupported("volumeBindingMode", volumeBindingMode, BINDING_MODES));
  }
  return errors;
  // lab:07c end
}

/**
 * A class is what claims were made with: its `parameters`, `provisioner`, `reclaimPolicy` and
 * `volumeBindingMode` may not change under them. All else may.
 */
function validateUpdate(object: StorageClass, old: StorageClass): FieldError[] {
  // lab:07c begin storage-class-update
  return (["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] as const).flatMap(
    (name) => immutable(name, object[name], old[name]),
  );
  // lab:07c end
}

/** The class's name, with ` (default)` after it if claims that name none get it. */
function nameCell(object: StorageClass): string {
  // lab:07c begin storage-class-name
  return `${object.metadata.name}${isDefaultClass(object) ? " (default)" : ""}`;
  // lab:07c end
}

const SCHEMA = "storage/v1.StorageClass";

export const storageClass: Kind<StorageClass> = defineKind<StorageClass>(SCHEMA, {
  defaults: fillDefaults,
  validate: (object) => [...validate(object), ...validateTopologies(object.allowedTopologies)],
  validateUpdate,
  columns: [
    { ...nameColumn, value: nameCell },
    column("Provisioner", (object) => object.provisioner),
    column("ReclaimPolicy", (object) => object.reclaimPolicy ?? "Delete"),
    column("VolumeBindingMode", (object) => object.volumeBindingMode ?? "Immediate"),
    column("AllowVolumeExpansion", (object) => object.allowVolumeExpansion ?? false),
    ageColumn,
  ],
});
