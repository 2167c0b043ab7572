/** ReplicaSet: a number of like pods, kept. */

import { scaleView } from "../../autoscaling/v1/scale.ts";
import { ageColumn, nameColumn } from "../../columns.ts";
import { workloadWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid } from "../../errors.ts";
import type { ReplicaSet, ReplicaSetStatus } from "../../gen/apps/v1.ts";
import type { Kind } from "../../kind.ts";
import { termsOf } from "../../selector.ts";
import { immutable, nonNegative, validateCounts } from "../../validation/metadata.ts";
import {
  countColumn,
  defaultTemplate,
  selectorColumn,
  templateColumns,
  validateWorkload,
} from "./workload.ts";

const COUNTS = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] as const;

/** The numbers of a status agree with each other; ReplicationControllers have the same. */
export function validateReplicaStatus(status: ReplicaSetStatus = { replicas: 0 }): FieldError[] {
  const errors = validateCounts(status, ["replicas", "observedGeneration", "terminatingReplicas"]);
  for (const name of COUNTS) {
    const count = status[name] ?? 0;
    errors.push(...nonNegative(`status.${name}`, count));
    if (count > status.replicas) {
      errors.push(invalid(`status.${name}`, count, "cannot be greater than status.replicas"));
    }
  }
  if ((status.availableReplicas ?? 0) > (status.readyReplicas ?? 0)) {
    const rule = "cannot be greater than readyReplicas";
    errors.push(invalid("status.availableReplicas", status.availableReplicas, rule));
  }
  return errors;
}

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
