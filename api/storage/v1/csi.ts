/** CSIDriver, CSINode, CSIStorageCapacity: what is known of storage drivers. */
import { isDeepStrictEqual } from "node:util";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import { ageColumn, column, NONE, nameColumn, UNSET } from "../../columns.ts";
import { validateDriverName } from "../../core/v1/pod/validate-volumes.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError, invalid, required } from "../../errors.ts";
import type {
  CSIDriver,
  CSIDriverSpec,
  CSINode,
  CSIStorageCapacity,
  TokenRequest,
} from "../../gen/storage/v1.ts";
import type { Kind } from "../../kind.ts";
import { eachOf, invalidBy, oneOf, oneOfIfSet } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { immutable, nonNegative } from "../../validation/metadata.ts";
import { dnsSubdomain, qualifiedName } from "../../validation/names.ts";

const FS_GROUP_POLICIES = ["ReadWriteOnceWithFSType", "File", "None"];
const LIFECYCLE_MODES = ["Ephemeral", "Persistent"];
const NODE_ID_BYTES_MAX = 256;
const UPDATE_PERIOD_S_MIN = 10;
const TOKEN_EXPIRATION_S_MIN = 600;

function validateDriver({ spec }: CSIDriver): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ["attachRequired", "podInfoOnMount", "storageCapacity"] as const) {
    if (spec[name] === undefined) errors.push(required(`spec.${name}`));
  }
  errors.push(...oneOfIfSet(spec.fsGroupPolicy, FS_GROUP_POLICIES, "spec.fsGroupPolicy"));
  for (const mode of spec.volumeLifecycleModes ?? []) {
    errors.push(...oneOf(mode, LIFECYCLE_MODES, "spec.volumeLifecycleModes"));
  }
  const period = spec.nodeAllocatableUpdatePeriodSeconds;
  if (period !== undefined && period < UPDATE_PERIOD_S_MIN) {
    const rule = `must be greater than or equal to ${UPDATE_PERIOD_S_MIN} seconds`;
    errors.push(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, rule));
  }
  return [...errors, ...validateTokens(spec.tokenRequests)];
}

/** The tokens that a driver is given: each for another audience, and not for too short a time. */
function validateTokens(requests: readonly TokenRequest[] = []): FieldError[] {
  const seen = new Set<string>();
  return eachOf(requests, "spec.tokenRequests", ({ audience, expirationSeconds }, path) => {
    const errors = seen.has(audience) ? [duplicate(`${path}.audience`, audience)] : [];
    seen.add(audience);
    if (expirationSeconds === undefined || expirationSeconds >= TOKEN_EXPIRATION_S_MIN) {
      return errors;
    }
    const rule = "may not specify a duration less than 10 minutes";
    return [...errors, invalid(`${path}.expirationSeconds`, expirationSeconds, rule)];
  });
}

const TOKENS_IN_SECRETS =
  "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI " +
  "driver, set to true to prevent possible logging of tokens in volume attributes";

/** Drops a field that no scheduler reads: VolumeLimitScaling is off, as upstream. */
function dropGated(spec: CSIDriverSpec, old?: CSIDriverSpec): void {
  if (old?.preventPodSchedulingIfMissing !== undefined) return;
  delete spec.preventPodSchedulingIfMissing;
}

export const csiDriver: Kind<CSIDriver> = defineKind<CSIDriver>("storage/v1.CSIDriver", {
  // Upstream counts changes, and does not start at one.
  generation: "spec",
  prepareCreate({ metadata, spec }) {
    delete metadata.generation;
    dropGated(spec);
  },
  prepareUpdate: ({ spec }, old) => dropGated(spec, old.spec),
  unconditionalUpdate: false,
  warnings({ spec }, old) {
    const asks = (spec.tokenRequests ?? []).length > 0;
    return old === undefined && asks && spec.serviceAccountTokenInSecrets === undefined
      ? [TOKENS_IN_SECRETS]
      : [];
  },
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
  validateUpdate: (object, old) => [
    // The path is upstream's, which names no field.
    ...immutable("spec.attachedRequired", object.spec.attachRequired, old.spec.attachRequired),
    ...immutable(
      "spec.volumeLifecycleModes",
      object.spec.volumeLifecycleModes,
      old.spec.volumeLifecycleModes,
    ),
  ],
  columns: [
    nameColumn,
    column("AttachRequired", (object) => object.spec.attachRequired ?? true, { type: "boolean" }),
    column("PodInfoOnMount", (object) => object.spec.podInfoOnMount ?? false, { type: "boolean" }),
    column("StorageCapacity", (object) => object.spec.storageCapacity ?? false, {
      type: "boolean",
    }),
    column(
      "TokenRequests",
      (object) => object.spec.tokenRequests?.map((each) => each.audience).join(",") ?? UNSET,
    ),
    column("RequiresRepublish", (object) => object.spec.requiresRepublish ?? false, {
      type: "boolean",
    }),
    column("Modes", (object) => (object.spec.volumeLifecycleModes ?? []).join(",") || NONE),
    ageColumn,
  ],
});

function validateNode({ spec }: CSINode): FieldError[] {
  const names = new Set<string>();
  return eachOf(spec.drivers, "spec.drivers", (driver, at) => {
    const errors = validateDriverName(driver.name, `${at}.name`);
    if (names.has(driver.name)) errors.push(duplicate(`${at}.name`, driver.name));
    names.add(driver.name);
    if (driver.nodeID === "") errors.push(required(`${at}.nodeID`));
    if (Buffer.byteLength(driver.nodeID) > NODE_ID_BYTES_MAX) {
      const rule = `must be ${NODE_ID_BYTES_MAX} characters or less`;
      errors.push(invalid(`${at}.nodeID`, driver.nodeID, rule));
    }
    const seen = new Set<string>();
    driver.topologyKeys?.forEach((key) => {
      if (key === "") errors.push(required(at));
      if (seen.has(key)) errors.push(duplicate(at, key));
      seen.add(key);
      errors.push(...invalidBy(qualifiedName, at, key));
    });
    return [...errors, ...nonNegative(`${at}.allocatable.count`, driver.allocatable?.count)];
  });
}

/** A driver's entry is replaced as a whole; its parts do not change. */
function validateNodeUpdate(object: CSINode, old: CSINode): FieldError[] {
  const known = new Map(old.spec.drivers?.map((each) => [each.name, each]));
  return (object.spec.drivers ?? []).flatMap((driver) => {
    const before = known.get(driver.name);
    if (before === undefined) return [];
    const { allocatable: _now, ...rest } = driver;
    const { allocatable: _before, ...restBefore } = before;
    return isDeepStrictEqual(rest, restBefore)
      ? []
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

function nonNegativeAmount(path: string, amount: string | undefined): FieldError[] {
  return amount === undefined || parseQuantity(amount).nanos >= 0n
    ? []
    : [invalid(path, amount, "must be greater than or equal to 0")];
}

export const csiStorageCapacity: Kind<CSIStorageCapacity> = defineKind<CSIStorageCapacity>(
  "storage/v1.CSIStorageCapacity",
  {
    unconditionalUpdate: false,
    validate: (object) => [
      ...validateLabelSelector(object.nodeTopology, "nodeTopology"),
      ...invalidBy(dnsSubdomain, "storageClassName", object.storageClassName),
      ...nonNegativeAmount("capacity", object.capacity),
    ],
    validateUpdate: (object, old) =>
      (["nodeTopology", "storageClassName"] as const).flatMap((name) =>
        immutable(name, object[name], old[name]),
      ),
    columns: [
      nameColumn,
      column("Created At", ({ metadata }) => metadata.creationTimestamp ?? null, { type: "date" }),
    ],
  },
);
