/** PersistentVolume: a piece of storage; cluster-wide. */
import { posix } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parseQuantity } from "@raft2kube/std/quantity.ts";
import { ageColumn, column, nameColumn, UNSET, wide } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "../../errors.ts";
import type {
  CSIPersistentVolumeSource,
  PersistentVolume,
  PersistentVolumeSpec,
  SecretReference,
} from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { timeOf } from "../../time.ts";
import { eachOf, invalidBy, oneOfIfSet, requiredBy } from "../../validation/checks.ts";
import { immutable } from "../../validation/metadata.ts";
import { dnsLabel, dnsSubdomain } from "../../validation/names.ts";
import { accessModesCell, VOLUME_MODES, validateAccessModes } from "./access-modes.ts";
import { defaultInTree } from "./in-tree-defaults.ts";
import { validateInTree } from "./pod/validate-in-tree.ts";
import { validateRequiredTerm } from "./pod/validate-scheduling.ts";
import {
  noBacksteps,
  validateDriverName,
  validateHostPath,
  validateNfs,
} from "./pod/validate-volumes.ts";
import { roundAmounts } from "./round-amounts.ts";

const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";
const RECLAIM_POLICIES = ["Delete", "Recycle", "Retain"];

const RECYCLING =
  "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. " +
  "Instead, the recommended approach is to use dynamic provisioning.";

const NOT_FIXED = "except for updating from beta label to GA";

/** Every field of the spec that is not a source of storage. */
const NOT_SOURCES = new Set([
  "capacity",
  "accessModes",
  "claimRef",
  "persistentVolumeReclaimPolicy",
  "storageClassName",
  "mountOptions",
  "volumeMode",
  "nodeAffinity",
  "volumeAttributesClassName",
]);

function sourcesOf(spec: PersistentVolumeSpec): Record<string, unknown> {
  return Object.fromEntries(Object.entries(spec).filter(([key]) => !NOT_SOURCES.has(key)));
}

function validateCapacity(capacity: Record<string, string>): FieldError[] {
  const path = "spec.capacity";
  const errors: FieldError[] = Object.keys(capacity).length === 0 ? [required(path)] : [];
  if (capacity.storage === undefined || Object.keys(capacity).length > 1) {
    const shown = Object.keys(capacity).length === 0 ? null : capacity;
    errors.push(notSupported(path, shown, ["storage"]));
  }
  for (const [name, amount] of Object.entries(capacity)) {
    if (parseQuantity(amount).nanos <= 0n) {
      errors.push(invalid(`${path}[${name}]`, amount, "must be greater than zero"));
    }
  }
  return errors;
}

function validateSources(spec: PersistentVolumeSpec, path: string): FieldError[] {
  const names = Object.keys(sourcesOf(spec));
  const errors = names
    .slice(1)
    .map((name) => forbidden(`${path}.${name}`, "may not specify more than 1 volume type"));
  if (names.length === 0) errors.push(required(path, "must specify a volume type"));
  errors.push(...validateInTree(spec, path));
  const { hostPath, nfs, local } = spec;
  if (hostPath !== undefined) errors.push(...validateHostPath(hostPath, `${path}.hostPath`));
  if (nfs !== undefined) errors.push(...validateNfs(nfs, `${path}.nfs`));
  if (spec.csi !== undefined) errors.push(...validateCsi(spec.csi, `${path}.csi`));
  if (local !== undefined) {
    if (local.path === "") errors.push(required(`${path}.local.path`));
    errors.push(...noBacksteps(local.path, `${path}.local.path`));
    if (spec.nodeAffinity === undefined) {
      errors.push(required(`${path}.nodeAffinity`, "Local volume requires node affinity"));
    }
  }
  return errors;
}

const validateCsi = (csi: CSIPersistentVolumeSource, path: string): FieldError[] => [
  ...validateDriverName(csi.driver, `${path}.driver`),
  ...(csi.volumeHandle === "" ? [required(`${path}.volumeHandle`)] : []),
  ...SECRETS.flatMap((name) => validateSecret(csi[name], `${path}.${name}`)),
];

const SECRETS = [
  "controllerPublishSecretRef",
  "controllerExpandSecretRef",
  "nodePublishSecretRef",
  "nodeExpandSecretRef",
] as const satisfies (keyof CSIPersistentVolumeSource)[];

function validateSecret(secret: SecretReference | undefined, path: string): FieldError[] {
  if (secret === undefined) return [];
  return (
    [
      ["name", dnsSubdomain],
      ["namespace", dnsLabel],
    ] as const
  ).flatMap(([field, rule]) => {
    const text = secret[field] ?? "";
    const at = `${path}.${field}`;
    return requiredBy(rule, at, text);
  });
}

function validateAttributes({ volumeAttributesClassName: name, csi }: PersistentVolumeSpec) {
  if (name === undefined) return [];
  const path = "spec.volumeAttributesClassName";
  const errors: FieldError[] =
    name === ""
      ? [required(path, "an empty string is disallowed")]
      : invalidBy(dnsSubdomain, path, name);
  if (csi !== undefined) return errors;
  const rule = "has to be specified when using volumeAttributesClassName";
  return [...errors, required("spec.csi", rule)];
}

/** The spec of a volume that only a VolumeAttachment knows: it comes from a pod's own volume. */
export function validateInlineVolume(spec: PersistentVolumeSpec, path: string): FieldError[] {
  const { accessModes = [], volumeMode } = spec;
  return [
    ...(accessModes.length === 0 ? [required(`${path}.accessModes`)] : []),
    ...validateAccessModes(accessModes, `${path}.accessModes`),
    ...(spec.csi === undefined
      ? [required(`${path}.csi`, "csi volume source is required for inline volumes")]
      : []),
    ...validateSources(spec, path),
    ...(volumeMode === undefined || VOLUME_MODES.includes(volumeMode)
      ? []
      : [notSupported(`${path}.volumeMode`, volumeMode, VOLUME_MODES)]),
  ];
}

function validateAffinity({ nodeAffinity }: PersistentVolumeSpec): FieldError[] {
  if (nodeAffinity === undefined) return [];
  const path = "spec.nodeAffinity.required";
  if (nodeAffinity.required === undefined) {
    return [required(path, "must specify required node constraints")];
  }
  const terms = nodeAffinity.required.nodeSelectorTerms;
  if (terms.length === 0) {
    return [required(`${path}.nodeSelectorTerms`, "must have at least one node selector term")];
  }
  return eachOf(terms, `${path}.nodeSelectorTerms`, validateRequiredTerm);
}

function validate({ spec }: PersistentVolume): FieldError[] {
  const errors: FieldError[] = [];
  const { accessModes = [], persistentVolumeReclaimPolicy: policy = "", volumeMode } = spec;
  if (accessModes.length === 0) errors.push(required("spec.accessModes"));
  errors.push(...validateAccessModes(accessModes, "spec.accessModes"));
  errors.push(...validateCapacity(spec.capacity ?? {}));
  if (policy !== "" && !RECLAIM_POLICIES.includes(policy)) {
    errors.push(notSupported("spec.persistentVolumeReclaimPolicy", policy, RECLAIM_POLICIES));
  }
  errors.push(...validateAffinity(spec), ...validateSources(spec, "spec"));
  if ((spec.storageClassName ?? "") !== "") {
    errors.push(...invalidBy(dnsSubdomain, "spec.storageClassName", spec.storageClassName!));
  }
  errors.push(...oneOfIfSet(volumeMode, VOLUME_MODES, "spec.volumeMode"));
  if (policy === "Recycle" && spec.hostPath && posix.normalize(spec.hostPath.path) === "/") {
    const rule = "may not be 'recycle' for a hostPath mount of '/'";
    errors.push(forbidden("spec.persistentVolumeReclaimPolicy", rule));
  }
  errors.push(...validateAttributes(spec));
  return errors;
}

function validateUpdate(volume: PersistentVolume, old: PersistentVolume): FieldError[] {
  const same = isDeepStrictEqual(sourcesOf(volume.spec), sourcesOf(old.spec));
  return [
    ...(same
      ? []
      : [
          forbidden(
            "spec.persistentvolumesource",
            "spec.persistentvolumesource is immutable after creation",
          ),
        ]),
    ...(old.spec.volumeAttributesClassName !== undefined &&
    volume.spec.volumeAttributesClassName === undefined
      ? [
          forbidden(
            "spec.volumeAttributesClassName",
            "update from non-nil value to nil is forbidden",
          ),
        ]
      : []),
    ...immutable("volumeMode", volume.spec.volumeMode, old.spec.volumeMode),
    ...(old.spec.nodeAffinity === undefined
      ? []
      : immutable("nodeAffinity", volume.spec.nodeAffinity ?? null, old.spec.nodeAffinity).map(
          (each) => ({ ...each, detail: `${each.detail}, ${NOT_FIXED}` }),
        )),
  ];
}

function claimCell({ spec }: PersistentVolume): string {
  const claim = spec.claimRef;
  return claim === undefined ? "" : `${claim.namespace ?? ""}/${claim.name ?? ""}`;
}

export const persistentVolume: Kind<PersistentVolume> = defineKind<PersistentVolume>(
  "core/v1.PersistentVolume",
  {
    defaults(object) {
      object.spec.persistentVolumeReclaimPolicy ||= "Retain";
      object.spec.volumeMode ??= "Filesystem";
      object.status ??= {};
      object.status.phase ||= "Pending";
      if (object.spec.hostPath !== undefined) object.spec.hostPath.type ??= "";
      defaultInTree(object.spec);
      roundAmounts(object.spec.capacity);
    },
    prepareCreate(object, context) {
      object.status = { phase: "Pending", lastPhaseTransitionTime: timeOf(context.now_ms) };
    },
    validate,
    validateUpdate,
    warnings: ({ spec }) => (spec.persistentVolumeReclaimPolicy === "Recycle" ? [RECYCLING] : []),
    status: {
      prepareUpdate(object, old, context) {
        if (object.status === undefined || object.status.phase === old.status?.phase) return;
        // A writer that sets the time too has its own reasons.
        if (
          object.status.lastPhaseTransitionTime === old.status?.lastPhaseTransitionTime ||
          object.status.lastPhaseTransitionTime === undefined
        ) {
          object.status.lastPhaseTransitionTime = timeOf(context.now_ms);
        }
      },
    },
    columns: [
      nameColumn,
      column("Capacity", (object) => object.spec.capacity?.storage ?? "0"),
      column("Access Modes", (object) => accessModesCell(object.spec.accessModes)),
      column("Reclaim Policy", (object) => object.spec.persistentVolumeReclaimPolicy ?? ""),
      column("Status", (object) =>
        object.metadata.deletionTimestamp === undefined
          ? (object.status?.phase ?? "")
          : "Terminating",
      ),
      column("Claim", claimCell),
      column(
        "StorageClass",
        (object) =>
          object.metadata.annotations?.[CLASS_ANNOTATION] ?? object.spec.storageClassName ?? "",
      ),
      column("VolumeAttributesClass", (object) => object.spec.volumeAttributesClassName ?? UNSET),
      column("Reason", (object) => object.status?.reason ?? ""),
      ageColumn,
      wide("VolumeMode", (object) => object.spec.volumeMode ?? UNSET),
    ],
  },
);
