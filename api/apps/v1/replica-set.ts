/** ReplicaSet: a number of like pods, kept. */

import { scaleView } from "../../autoscaling/v1/scale.ts";
import { ageColumn, nameColumn } from "../../columns.ts";
import { workloadWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import type { FieldError } from "../../errors.ts";
import type { ReplicaSet, ReplicaSetStatus } from "../../gen/apps/v1.ts";
import type { Kind } from "../../kind.ts";
import { termsOf } from "../../selector.ts";
import { immutable, nonNegative, validateCounts } from "../../validation/metadata.ts";
import {
  countColumn,
  defaultTemplate,
  selectorColumn,
  templateColumns,
  validateParts,
  validateWorkload,
} from "./workload.ts";

const PARTS = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] as const;

/** The numbers of a status agree with each other; ReplicationControllers have the same. */
export const validateReplicaStatus = (status?: ReplicaSetStatus): FieldError[] => [
  ...validateCounts(status, ["replicas", ...PARTS, "observedGeneration", "terminatingReplicas"]),
  ...validateParts(status, PARTS, "readyReplicas"),
];

export const replicaSet: Kind<ReplicaSet> = defineKind<ReplicaSet>("apps/v1.ReplicaSet", {
  generation: "spec",
  warnings: workloadWarnings,
  defaults({ spec }) {
    spec.template ??= {};
    defaultTemplate(spec.template);
    spec.replicas ??= 1;
  },
  validate: ({ spec }) => [
    ...nonNegative("spec.replicas", spec.replicas),
    ...nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...validateWorkload(
      { selector: spec.selector, template: spec.template ?? {} },
      "deployment",
      "ReplicaSet",
    ),
  ],
  validateUpdate: (object, old) =>
    immutable("spec.selector", object.spec.selector, old.spec.selector),
  status: { validateUpdate: ({ status }) => validateReplicaStatus(status) },
  subresources: {
    scale: { view: scaleView<ReplicaSet>(({ spec }) => termsOf(spec.selector) ?? []) },
  },
  columns: [
    nameColumn,
    countColumn<ReplicaSet>("Desired", (object) => object.spec.replicas),
    countColumn<ReplicaSet>("Current", (object) => object.status?.replicas),
    countColumn<ReplicaSet>("Ready", (object) => object.status?.readyReplicas),
    ageColumn,
    ...templateColumns<ReplicaSet>((object) => object.spec.template),
    selectorColumn<ReplicaSet>((object) => object.spec.selector),
  ],
});
