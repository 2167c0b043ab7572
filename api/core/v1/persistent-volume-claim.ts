/** PersistentVolumeClaim: a request for storage, bound to one volume. */
import { isDeepStrictEqual } from "node:util";
import { compareQuantity, parseQuantity } from "@raft2kube/std/quantity.ts";
import { ageColumn, column, nameColumn, UNSET, wide } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../../errors.ts";
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { invalidBy, oneOfIfSet } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { immutable } from "../../validation/metadata.ts";
import { dnsSubdomain, qualifiedName } from "../../validation/names.ts";
import { accessModesCell, VOLUME_MODES, validateAccessModes } from "./access-modes.ts";
import { roundAmounts, roundResources } from "./round-amounts.ts";

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
    errors.push(...invalidBy(dnsSubdomain, `${path}.storageClassName`, storageClassName));
  }
  errors.push(...oneOfIfSet(volumeMode, VOLUME_MODES, `${path}.volumeMode`));
  const attributes = spec.volumeAttributesClassName ?? "";
  if (attributes !== "") {
    errors.push(...invalidBy(dnsSubdomain, `${path}.volumeAttributesClassName`, attributes));
  }
  return [...errors, ...validateSources(spec, path)];
}

/** The source of a claim's volume; the older field and the newer one mean the same. */
function validateSources(spec: PersistentVolumeClaimSpec, path: string): FieldError[] {
  const errors = (["dataSource", "dataSourceRef"] as const).flatMap((name) => {
    const source = spec[name];
    return source === undefined ? [] : validateSource(source, `${path}.${name}`);
  });
  const { dataSource, dataSourceRef } = spec;
  if (dataSource === undefined || dataSourceRef === undefined) return errors;
  const { namespace: _namespace, ...plain } = dataSourceRef;
  return isDeepStrictEqual({ ...dataSource }, plain)
    ? errors
    : [...errors, invalid(path, {}, "must match dataSourceRef")];
}

function validateSource(
  source: { apiGroup?: string; kind: string; name: string },
  path: string,
): FieldError[] {
  const { apiGroup = "", kind, name } = source;
  const errors: FieldError[] = [];
  if (name === "") errors.push(required(`${path}.name`));
  if (kind === "") errors.push(required(`${path}.kind`));
  if (apiGroup === "" && kind !== "PersistentVolumeClaim") {
    const rule = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    errors.push(invalid(path, kind, rule));
  }
  if (apiGroup !== "") errors.push(...invalidBy(dnsSubdomain, path, apiGroup));
  return errors;
}

const RESIZE_STATES = [
  "ControllerResizeInProgress",
  "ControllerResizeInfeasible",
  "NodeResizeInProgress",
  "NodeResizeInfeasible",
  "NodeResizePending",
];

function validateStatus({ status = {} }: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = [];
  const wrong = (amount: string): boolean => parseQuantity(amount).nanos < 0n;
  for (const [name, amount] of Object.entries(status.capacity ?? {})) {
    if (wrong(amount)) {
      errors.push(invalid(`status.capacity[${name}]`, amount, "must be a valid resource quantity"));
    }
  }
  for (const [name, state] of Object.entries(status.allocatedResourceStatuses ?? {})) {
    const path = "status.allocatedResourceStatuses";
    errors.push(...invalidBy(qualifiedName, path, name));
    if (!RESIZE_STATES.includes(state)) errors.push(notSupported(path, name, RESIZE_STATES));
  }
  for (const [name, amount] of Object.entries(status.allocatedResources ?? {})) {
    const path = "status.allocatedResources";
    errors.push(...invalidBy(qualifiedName, path, name));
    if (wrong(amount)) {
      errors.push(invalid(`${path}[${name}]`, amount, "must be a valid resource quantity"));
    }
  }
  return errors;
}

/** Drops a source in another namespace: CrossNamespaceVolumeDataSource is off, as upstream. */
function dropForeignSource(spec: PersistentVolumeClaimSpec, old?: PersistentVolumeClaimSpec): void {
  if ((spec.dataSourceRef?.namespace ?? "") === "" || old?.dataSourceRef !== undefined) return;
  delete spec.dataSourceRef;
}

/**
 * The older field is the newer without a namespace: each is filled from the other, where a
 * reference of the core group has to be to a claim.
 */
function alignSources(spec: PersistentVolumeClaimSpec): void {
  const { dataSource, dataSourceRef } = spec;
  if (dataSource !== undefined && dataSourceRef === undefined) {
    spec.dataSourceRef = { ...dataSource };
  } else if (
    dataSource === undefined &&
    dataSourceRef !== undefined &&
    (dataSourceRef.namespace ?? "") === ""
  ) {
    const { namespace: _namespace, ...plain } = dataSourceRef;
    spec.dataSource = plain;
  }
}

/** A source that is known by no group, and is no claim, was never acted on: it is dropped. */
function dropUnknownSource(spec: PersistentVolumeClaimSpec): void {
  const source = spec.dataSource;
  if (source === undefined) return;
  const claim = source.kind === "PersistentVolumeClaim" && (source.apiGroup ?? "") === "";
  const snapshot =
    source.kind === "VolumeSnapshot" && source.apiGroup === "snapshot.storage.k8s.io";
  if (!claim && !snapshot && spec.dataSourceRef === undefined) delete spec.dataSource;
}

/** The spec with its mutable fields reset: the volume's name once, the size of a bound claim. */
function withoutChangeable(
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
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
    const rule =
      "spec is immutable after creation except resources.requests " +
      "and volumeAttributesClassName for bound claims";
    errors.push(forbidden("spec", rule));
  }
  const sizeOf = (each: PersistentVolumeClaim): string =>
    each.spec.resources?.requests?.storage ?? "0";
  if (
    compareQuantity(sizeOf(claim), sizeOf(old)) < 0 &&
    compareQuantity(sizeOf(claim), old.status?.capacity?.storage ?? "0") <= 0
  ) {
    const rule = "field can not be less than status.capacity";
    errors.push(forbidden("spec.resources.requests.storage", rule));
  }
  return [
    ...errors,
    ...validateClassAnnotation(claim, old),
    ...immutable("volumeMode", claim.spec.volumeMode, old.spec.volumeMode),
    ...validateAttributesUpdate(claim, old),
  ];
}

/** The class of before `storageClassName`, which may take its place but not change it. */
function validateClassAnnotation(
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
): FieldError[] {
  const [now = "", before = ""] = [claim, old].map(
    ({ metadata }) => metadata.annotations?.[CLASS_ANNOTATION],
  );
  const isReplaced =
    before !== "" &&
    old.spec.storageClassName === undefined &&
    claim.spec.storageClassName === before &&
    (now === "" || now === before);
  if (now === before || isReplaced) return [];
  return immutable(`metadata.annotations.${CLASS_ANNOTATION}`, now, before);
}

/** A volume that has had a class of attributes keeps one: there is nothing to change it to. */
function validateAttributesUpdate(
  claim: PersistentVolumeClaim,
  old: PersistentVolumeClaim,
): FieldError[] {
  const name = claim.spec.volumeAttributesClassName;
  if (name || name === old.spec.volumeAttributesClassName) return [];
  if (old.status?.currentVolumeAttributesClassName === undefined) return [];
  const to = name === undefined ? "nil" : "empty string";
  const rule = "is forbidden when status.currentVolumeAttributesClassName is not nil";
  return [forbidden("spec.volumeAttributesClassName", `update to ${to} ${rule}`)];
}

const phase = (claim: PersistentVolumeClaim): string =>
  claim.metadata.deletionTimestamp === undefined ? (claim.status?.phase ?? "") : "Terminating";

const isBound = (claim: PersistentVolumeClaim): boolean => (claim.spec.volumeName ?? "") !== "";

export const persistentVolumeClaim: Kind<PersistentVolumeClaim> = defineKind<PersistentVolumeClaim>(
  "core/v1.PersistentVolumeClaim",
  {
    defaults(object) {
      object.spec.volumeMode ??= "Filesystem";
      object.status ??= {};
      object.status.phase ||= "Pending";
      roundResources(object.spec.resources);
      roundAmounts(object.status.capacity, object.status.allocatedResources);
    },
    prepareCreate(object) {
      object.status = { phase: "Pending" };
      dropForeignSource(object.spec);
      dropUnknownSource(object.spec);
      alignSources(object.spec);
    },
    prepareUpdate(object, old) {
      dropForeignSource(object.spec, old.spec);
      if (!old.spec.dataSource && !old.spec.dataSourceRef) dropUnknownSource(object.spec);
      alignSources(object.spec);
    },
    status: { validateUpdate: validateStatus },
    validate: (object) => validateClaimSpec(object.spec, "spec"),
    validateUpdate,
    warnings: ({ metadata }) =>
      metadata.annotations?.[CLASS_ANNOTATION] === undefined
        ? []
        : [
            `metadata.annotations[${CLASS_ANNOTATION}]: deprecated since v1.8; ` +
              'use "storageClassName" attribute instead',
          ],
    columns: [
      nameColumn,
      column("Status", phase),
      column("Volume", (object) => object.spec.volumeName ?? ""),
      column("Capacity", (object) =>
        isBound(object) ? (object.status?.capacity?.storage ?? "0") : "",
      ),
      column("Access Modes", (object) =>
        isBound(object) ? accessModesCell(object.status?.accessModes) : "",
      ),
      column(
        "StorageClass",
        (object) =>
          object.metadata.annotations?.[CLASS_ANNOTATION] ?? object.spec.storageClassName ?? "",
      ),
      column("VolumeAttributesClass", (object) => object.spec.volumeAttributesClassName ?? UNSET),
      ageColumn,
      wide("VolumeMode", (object) => object.spec.volumeMode ?? UNSET),
    ],
  },
);
