/** PersistentVolumeClaim: a request for storage, bound to one volume. */
import { isDeepStrictEqual } from "node:util";
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from "../../gen/core/v1.ts";
import { ageColumn, column, nameColumn, UNSET, wide } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { forbidden, invalid, notSupported, required, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { compareQuantity, parseQuantity } from "../../quantity.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { immutable } from "../../validation/metadata.ts";
import { dnsSubdomain } from "../../validation/names.ts";
import { accessModesCell, validateAccessModes, VOLUME_MODES } from "./access-modes.ts";

const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";

/** The rules of a claim's spec, for claims and for templates of claims. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, path: string): FieldError[] {
  const { accessModes = [], storageClassName = "", volumeMode } = spec;
  const errors: FieldError[] = [];
  if (accessModes.length === 0) {
    errors.push(required(`${path}.accessModes`, "at least 1 access mode is required"));
  }
  errors.push(...validateLabelSelector(spec.selector, `${path}.selector`));
  errors.push(...validateAccessModes(accessModes, `${path}.accessModes`));
  const size = spec.resources?.requests?.storage;
  const sizePath = `${path}.resources[storage]`;
  if (size === undefined) errors.push(required(sizePath));
  else if (parseQuantity(size).nanos <= 0n) {
    errors.push(invalid(sizePath, size, "must be greater than zero"));
  }
  if (storageClassName !== "") {
    errors.push(...dnsSubdomain(storageClassName).map((each) =>
      invalid(`${path}.storageClassName`, storageClassName, each)));
  }
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode)) {
    errors.push(notSupported(`${path}.volumeMode`, volumeMode, VOLUME_MODES));
  }
  return errors;
}

/** The spec with what may change put back: the volume's name once, the size of a bound claim. */
function withoutChangeable(
  claim: PersistentVolumeClaim, old: PersistentVolumeClaim,
): PersistentVolumeClaimSpec {
  const spec = structuredClone(claim.spec);
  if ((old.spec.volumeName ?? "") === "") delete spec.volumeName;
  if (old.spec.storageClassName === undefined) delete spec.storageClassName;
  const size = old.spec.resources?.requests?.storage;
  if (claim.status?.phase === "Bound") {
    if (spec.resources?.requests !== undefined && size !== undefined) {
      spec.resources.requests.storage = size;
    }
    const name = old.spec.volumeAttributesClassName;
    if (name === undefined) delete spec.volumeAttributesClassName;
    else spec.volumeAttributesClassName = name;
  }
  return spec;
}

function validateUpdate(claim: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = [];
  const before = structuredClone(old.spec);
  if ((before.volumeName ?? "") === "") delete before.volumeName;
  if (!isDeepStrictEqual(withoutChangeable(claim, old), before)) {
    errors.push(forbidden("spec", "spec is immutable after creation except resources.requests " +
      "and volumeAttributesClassName for bound claims"));
  }
  const sizeOf = (each: PersistentVolumeClaim): string =>
    each.spec.resources?.requests?.storage ?? "0";
  if (compareQuantity(sizeOf(claim), sizeOf(old)) < 0 &&
    compareQuantity(sizeOf(claim), old.status?.capacity?.storage ?? "0") <= 0) {
    errors.push(forbidden("spec.resources.requests.storage",
      "field can not be less than status.capacity"));
  }
  return [...errors, ...immutable("volumeMode", claim.spec.volumeMode, old.spec.volumeMode)];
}

function phase(claim: PersistentVolumeClaim): string {
  return claim.metadata.deletionTimestamp === undefined
    ? claim.status?.phase ?? "" : "Terminating";
}

const isBound = (claim: PersistentVolumeClaim): boolean => (claim.spec.volumeName ?? "") !== "";

export const persistentVolumeClaim: Kind<PersistentVolumeClaim> =
  defineKind<PersistentVolumeClaim>("core/v1.PersistentVolumeClaim", {
    defaults(object) {
      object.spec.volumeMode ??= "Filesystem";
      object.status ??= {};
      object.status.phase ||= "Pending";
    },
    prepareCreate(object) {
      object.status = { phase: "Pending" };
    },
    validate: (object) => validateClaimSpec(object.spec, "spec"),
    validateUpdate,
    warnings: ({ metadata }) => metadata.annotations?.[CLASS_ANNOTATION] === undefined ? []
      : [`metadata.annotations[${CLASS_ANNOTATION}]: deprecated since v1.8; ` +
        'use "storageClassName" attribute instead'],
    columns: [
      nameColumn,
      column("Status", phase),
      column("Volume", (object) => object.spec.volumeName ?? ""),
      column("Capacity", (object) =>
        isBound(object) ? object.status?.capacity?.storage ?? "0" : ""),
      column("Access Modes", (object) =>
        isBound(object) ? accessModesCell(object.status?.accessModes) : ""),
      column("StorageClass", (object) =>
        object.metadata.annotations?.[CLASS_ANNOTATION] ?? object.spec.storageClassName ?? ""),
      column("VolumeAttributesClass", (object) => object.spec.volumeAttributesClassName ?? UNSET),
      ageColumn,
      wide("VolumeMode", (object) => object.spec.volumeMode ?? UNSET),
    ],
  });
