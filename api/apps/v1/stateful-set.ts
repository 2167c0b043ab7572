/** StatefulSet: pods with names and volumes that stay theirs. */
import { isDeepStrictEqual } from "node:util";
import { scaleView } from "../../autoscaling/v1/scale.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { validateClaimSpec } from "../../core/v1/persistent-volume-claim.ts";
import { templateWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, tooMany } from "../../errors.ts";
import type { StatefulSet, StatefulSetSpec } from "../../gen/apps/v1.ts";
import type { Kind } from "../../kind.ts";
import { CLAIM_TEMPLATES_MAX } from "../../limits.ts";
import { termsOf } from "../../selector.ts";
import { invalidBy, oneOfIfSet } from "../../validation/checks.ts";
import { nonNegative, notDecremented, validateCounts } from "../../validation/metadata.ts";
import { dnsLabel } from "../../validation/names.ts";
import { defaultTemplate, templateColumns, validateParts, validateWorkload } from "./workload.ts";

const HISTORY = 10;
const RETENTION_POLICIES = ["Retain", "Delete"];
const CHANGEABLE = [
  "replicas",
  "template",
  "updateStrategy",
  "minReadySeconds",
  "ordinals",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
] as const;

function defaults({ spec }: StatefulSet): void {
  defaultTemplate(spec.template);
  spec.podManagementPolicy ||= "OrderedReady";
  spec.updateStrategy ??= {};
  if ((spec.updateStrategy.type ?? "") === "") {
    spec.updateStrategy.type = "RollingUpdate";
    spec.updateStrategy.rollingUpdate ??= {};
  }
  if (spec.updateStrategy.rollingUpdate !== undefined) {
    spec.updateStrategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= "Retain";
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= "Retain";
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= HISTORY;
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.kind = "PersistentVolumeClaim";
    claim.apiVersion = "v1";
    claim.spec.volumeMode ??= "Filesystem";
    claim.status = { ...claim.status, phase: claim.status?.phase || "Pending" };
  }
}

/**
 * Pods get a volume for each claim template besides those of their own, and other names than the
 * template's: its `hostname` and `subdomain` have no rules.
 */
function asPodsGetIt(spec: StatefulSetSpec): StatefulSetSpec {
  if (spec.template.spec === undefined) return spec;
  const names = new Set((spec.volumeClaimTemplates ?? []).map((each) => each.metadata.name ?? ""));
  const claims = [...names].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  const { hostname: _hostname, subdomain: _subdomain, ...pod } = spec.template.spec;
  const own = (pod.volumes ?? []).filter(({ name }) => !names.has(name));
  return {
    ...spec,
    template: { ...spec.template, spec: { ...pod, volumes: [...claims, ...own] } },
  };
}

function validate({ spec }: StatefulSet): FieldError[] {
  const errors: FieldError[] = [];
  const { podManagementPolicy: policy, updateStrategy: update } = spec;
  if (policy !== "OrderedReady" && policy !== "Parallel") {
    const rule = "must be 'OrderedReady' or 'Parallel'";
    errors.push(invalid("spec.podManagementPolicy", policy, rule));
  }
  if (update?.type !== "RollingUpdate" && update?.type !== "OnDelete") {
    errors.push(invalid("spec.updateStrategy", update, "must be 'RollingUpdate' or 'OnDelete'"));
  } else if (update.type === "OnDelete" && update.rollingUpdate !== undefined) {
    const rule = "only allowed for updateStrategy 'RollingUpdate'";
    errors.push(invalid("spec.updateStrategy.rollingUpdate", update.rollingUpdate, rule));
  }
  errors.push(
    ...nonNegative("spec.updateStrategy.rollingUpdate.partition", update?.rollingUpdate?.partition),
  );
  const retention = spec.persistentVolumeClaimRetentionPolicy;
  for (const name of ["whenDeleted", "whenScaled"] as const) {
    const policy = retention?.[name];
    errors.push(
      ...oneOfIfSet(
        policy,
        RETENTION_POLICIES,
        `spec.persistentVolumeClaimRetentionPolicy.${name}`,
      ),
    );
  }
  errors.push(...nonNegative("spec.replicas", spec.replicas));
  errors.push(...nonNegative("spec.minReadySeconds", spec.minReadySeconds));
  errors.push(...nonNegative("spec.ordinals.start", spec.ordinals?.start));
  return [...errors, ...validateWorkload(asPodsGetIt(spec), "statefulset", "StatefulSet")];
}

/** Fields that are immutable are validated at creation only. */
function validateCreate({ spec }: StatefulSet): FieldError[] {
  const { serviceName = "", volumeClaimTemplates = [] } = spec;
  const { length } = volumeClaimTemplates;
  if (length > CLAIM_TEMPLATES_MAX) {
    return [tooMany("spec.volumeClaimTemplates", length, CLAIM_TEMPLATES_MAX)];
  }
  const name = serviceName === "" ? [] : invalidBy(dnsLabel, "spec.serviceName", serviceName);
  return [
    ...name,
    ...volumeClaimTemplates.flatMap((claim, index) =>
      validateClaimSpec(claim.spec, `spec.volumeClaimTemplates[${index}].spec`),
    ),
  ];
}

function fixedPart(spec: StatefulSetSpec): Partial<StatefulSetSpec> {
  const rest: Partial<StatefulSetSpec> = { ...spec };
  for (const name of CHANGEABLE) delete rest[name];
  return rest;
}

function validateUpdate(object: StatefulSet, old: StatefulSet): FieldError[] {
  if (isDeepStrictEqual(fixedPart(object.spec), fixedPart(old.spec))) return [];
  const rule =
    "updates to statefulset spec for fields other than 'replicas', " +
    "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', " +
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
  return [forbidden("spec", rule)];
}

const PARTS = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] as const;

const validateStatus = ({ status }: StatefulSet): FieldError[] => [
  ...validateCounts(status, ["replicas", ...PARTS, "observedGeneration", "collisionCount"]),
  ...validateParts(status, PARTS, "status.readyReplicas"),
];

/** Drops a field that no controller reads: MaxUnavailableStatefulSet is off, as upstream. */
function dropMaxUnavailable({ spec }: StatefulSet, old?: StatefulSet): void {
  if (old?.spec.updateStrategy?.rollingUpdate?.maxUnavailable !== undefined) return;
  delete spec.updateStrategy?.rollingUpdate?.maxUnavailable;
}

export const statefulSet: Kind<StatefulSet> = defineKind<StatefulSet>("apps/v1.StatefulSet", {
  nameRule: dnsLabel,
  generation: "spec",
  warnings: (object) => templateWarnings(object.spec.template),
  defaults,
  prepareCreate: (object) => dropMaxUnavailable(object),
  prepareUpdate: (object, old) => dropMaxUnavailable(object, old),
  validate,
  validateCreate,
  validateUpdate,
  status: {
    validateUpdate: (object, old) => [
      ...validateStatus(object),
      ...notDecremented(object.status, old.status),
    ],
  },
  subresources: {
    scale: { view: scaleView<StatefulSet>(({ spec }) => termsOf(spec.selector) ?? []) },
  },
  columns: [
    nameColumn,
    column(
      "Ready",
      (object) => `${object.status?.readyReplicas ?? 0}/${object.spec.replicas ?? 0}`,
    ),
    ageColumn,
    ...templateColumns<StatefulSet>((object) => object.spec.template),
  ],
});
