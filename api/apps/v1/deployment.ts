/** Deployment: pods that are replaced gradually when their template changes. */

import { scaleView } from "../../autoscaling/v1/scale.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { workloadWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, notSupported } from "../../errors.ts";
import type { Deployment, DeploymentStrategy } from "../../gen/apps/v1.ts";
import type { Kind } from "../../kind.ts";
import { termsOf } from "../../selector.ts";
import {
  immutable,
  nonNegative,
  notDecremented,
  validateCounts,
} from "../../validation/metadata.ts";
import {
  defaultTemplate,
  isZeroShare,
  selectorColumn,
  templateColumns,
  validateParts,
  validateShare,
  validateWorkload,
} from "./workload.ts";

const QUARTER = "25%";
const HISTORY = 10;
const PROGRESS_DEADLINE_S = 600;
const STRATEGIES = ["Recreate", "RollingUpdate"];
const PARTS = ["updatedReplicas", "readyReplicas", "availableReplicas"] as const;

function defaults({ spec }: Deployment): void {
  defaultTemplate(spec.template);
  spec.replicas ??= 1;
  spec.strategy ??= {};
  spec.strategy.type ||= "RollingUpdate";
  if (spec.strategy.type === "RollingUpdate") {
    spec.strategy.rollingUpdate ??= {};
    spec.strategy.rollingUpdate.maxUnavailable ??= QUARTER;
    spec.strategy.rollingUpdate.maxSurge ??= QUARTER;
  }
  spec.revisionHistoryLimit ??= HISTORY;
  spec.progressDeadlineSeconds ??= PROGRESS_DEADLINE_S;
}

/** The strategy as upstream's messages show it, in the form of its Go structure. */
function shownStrategy({ type, rollingUpdate }: DeploymentStrategy): object {
  const shares =
    rollingUpdate === undefined
      ? null
      : {
          MaxUnavailable: rollingUpdate.maxUnavailable ?? 0,
          MaxSurge: rollingUpdate.maxSurge ?? 0,
        };
  return { Type: type ?? "", RollingUpdate: shares };
}

function validateStrategy(strategy: DeploymentStrategy): FieldError[] {
  const { type = "", rollingUpdate } = strategy;
  const path = "spec.strategy";
  if (!STRATEGIES.includes(type)) return [notSupported(path, shownStrategy(strategy), STRATEGIES)];
  if (type === "Recreate") {
    if (rollingUpdate === undefined) return [];
    const rule = "may not be specified when strategy `type` is 'Recreate'";
    return [forbidden(`${path}.rollingUpdate`, rule)];
  }
  const at = `${path}.rollingUpdate`;
  const errors = [
    ...validateShare(rollingUpdate?.maxUnavailable, `${at}.maxUnavailable`, false),
    ...validateShare(rollingUpdate?.maxSurge, `${at}.maxSurge`, false),
  ];
  if (isZeroShare(rollingUpdate?.maxUnavailable) && isZeroShare(rollingUpdate?.maxSurge)) {
    const rule = "may not be 0 when `maxSurge` is 0";
    errors.push(invalid(`${at}.maxUnavailable`, rollingUpdate?.maxUnavailable ?? 0, rule));
  }
  if (errors.length > 0) return errors;
  return validateShare(rollingUpdate?.maxUnavailable, `${at}.maxUnavailable`, true);
}

function validate({ spec }: Deployment): FieldError[] {
  const deadline = spec.progressDeadlineSeconds;
  const errors = [
    ...nonNegative("spec.replicas", spec.replicas),
    ...validateWorkload(spec, "deployment", "ReplicaSet"),
    ...validateStrategy(spec.strategy ?? {}),
    ...nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...nonNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit),
    ...nonNegative("spec.progressDeadlineSeconds", deadline),
  ];
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    const rule = "must be greater than minReadySeconds";
    errors.push(invalid("spec.progressDeadlineSeconds", deadline, rule));
  }
  return errors;
}

/** The numbers of a status agree with each other. */
const validateStatus = ({ status }: Deployment): FieldError[] => [
  ...validateCounts(status, [
    "observedGeneration",
    "replicas",
    ...PARTS,
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
  ]),
  ...validateParts(status, PARTS, "readyReplicas"),
];

export const deployment: Kind<Deployment> = defineKind<Deployment>("apps/v1.Deployment", {
  // Its ReplicaSets get the annotations too.
  generation: "annotations",
  warnings: workloadWarnings,
  defaults,
  validate,
  validateUpdate: (object, old) =>
    immutable("spec.selector", object.spec.selector, old.spec.selector),
  status: {
    keepLabels: true,
    validateUpdate: (object, old) => [
      ...validateStatus(object),
      ...notDecremented(object.status, old.status),
    ],
  },
  subresources: {
    scale: { view: scaleView<Deployment>(({ spec }) => termsOf(spec.selector) ?? []) },
  },
  columns: [
    nameColumn,
    column(
      "Ready",
      (object) => `${object.status?.readyReplicas ?? 0}/${object.spec.replicas ?? 0}`,
    ),
    column("Up-to-date", (object) => object.status?.updatedReplicas ?? 0),
    column("Available", (object) => object.status?.availableReplicas ?? 0),
    ageColumn,
    ...templateColumns<Deployment>((object) => object.spec.template),
    selectorColumn<Deployment>((object) => object.spec.selector),
  ],
});
