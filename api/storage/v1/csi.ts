/** CSIDriver, CSINode, CSIStorageCapacity: what is known of storage drivers. */
import { isDeepStrictEqual } from "node:util";
import type { CSIDriver, CSINode, CSIStorageCapacity } from "../../gen/storage/v1.ts";
import { ageColumn, column, nameColumn, NONE, UNSET } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { duplicate, invalid, notSupported, required, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { immutable, nonNegative } from "../../validation/metadata.ts";
import { dnsSubdomain, qualifiedName } from "../../validation/names.ts";

const FS_GROUP_POLICIES = ["ReadWriteOnceWithFSType", "File", "None"];
const LIFECYCLE_MODES = ["Ephemeral", "Persistent"];
const MAX_NODE_ID_BYTES = 256;

function validateDriver({ spec }: CSIDriver): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ["attachRequired", "podInfoOnMount", "storageCapacity"] as const) {
    if (spec[name] === undefined) errors.push(required(`spec.${name}`));
  }
  if (spec.fsGroupPolicy !== undefined && !FS_GROUP_POLICIES.includes(spec.fsGroupPolicy)) {
    errors.push(notSupported("spec.fsGroupPolicy", spec.fsGroupPolicy, FS_GROUP_POLICIES));
  }
  for (const mode of spec.volumeLifecycleModes ?? []) {
    if (!LIFECYCLE_MODES.includes(mode)) {
      errors.push(notSupported("spec.volumeLifecycleModes", mode, LIFECYCLE_MODES));
    }
  }
  return errors;
}

export const csiDriver: Kind<CSIDriver> = defineKind<CSIDriver>("storage/v1.CSIDriver", {
  generation: "spec",
  unconditionalUpdate: false,
  defaults({ spec }) {
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ["Persistent"];
  },
  validate: validateDriver,
  validateUpdate: (object, old) =>
    (["attachRequired", "volumeLifecycleModes"] as const).flatMap((name) =>
      immutable(`spec.${name}`, object.spec[name], old.spec[name])),
  columns: [
    nameColumn,
    column("AttachRequired", (object) => object.spec.attachRequired ?? true, { type: "boolean" }),
    column("PodInfoOnMount", (object) => object.spec.podInfoOnMount ?? false, { type: "boolean" }),
    column("StorageCapacity", (object) => object.spec.storageCapacity ?? false,
      { type: "boolean" }),
    column("TokenRequests", (object) =>
      object.spec.tokenRequests?.map((each) => each.audience).join(",") ?? UNSET),
    column("RequiresRepublish", (object) => object.spec.requiresRepublish ?? false,
      { type: "boolean" }),
    column("Modes", (object) => (object.spec.volumeLifecycleModes ?? []).join(",") || NONE),
    ageColumn,
  ],
});

function validateNode({ spec }: CSINode): FieldError[] {
  const names = new Set<string>();
  return (spec.drivers ?? []).flatMap((driver, index) => {
    const at = `spec.drivers[${index}]`;
    const errors = dnsSubdomain(driver.name.toLowerCase()).map((each) =>
      invalid(`${at}.name`, driver.name, each));
    if (names.has(driver.name)) errors.push(duplicate(`${at}.name`, driver.name));
    names.add(driver.name);
    if (driver.nodeID === "") errors.push(required(`${at}.nodeID`));
    if (Buffer.byteLength(driver.nodeID) > MAX_NODE_ID_BYTES) {
      errors.push(invalid(`${at}.nodeID`, driver.nodeID,
        `must be ${MAX_NODE_ID_BYTES} characters or less`));
    }
    driver.topologyKeys?.forEach((key) => errors.push(
      ...qualifiedName(key).map((each) => invalid(`${at}.topologyKeys`, key, each))));
    return [...errors, ...nonNegative(`${at}.allocatable.count`, driver.allocatable?.count)];
  });
}

/** A driver's entry is replaced as a whole; its parts do not change. */
function validateNodeUpdate(object: CSINode, old: CSINode): FieldError[] {
  return (object.spec.drivers ?? []).flatMap((driver) => {
    const before = old.spec.drivers?.find((each) => each.name === driver.name);
    if (before === undefined) return [];
    const { allocatable: _now, ...rest } = driver;
    const { allocatable: _before, ...restBefore } = before;
    return isDeepStrictEqual(rest, restBefore) ? []
      : [invalid("spec.drivers", driver, "field is immutable")];
  });
}

export const csiNode: Kind<CSINode> = defineKind<CSINode>("storage/v1.CSINode", {
  unconditionalUpdate: false,
  validate: validateNode,
  validateUpdate: validateNodeUpdate,
  columns: [
    nameColumn,
    column("Drivers", (object) => (object.spec.drivers ?? []).length, { type: "integer" }),
    ageColumn,
  ],
});

export const csiStorageCapacity: Kind<CSIStorageCapacity> =
  defineKind<CSIStorageCapacity>("storage/v1.CSIStorageCapacity", {
    unconditionalUpdate: false,
    notActedOn: "CSIStorageCapacity is stored, but scheduling does not look at it yet",
    columns: [
      nameColumn,
      column("Created At", ({ metadata }) => metadata.creationTimestamp ?? null, { type: "date" }),
    ],
  });
