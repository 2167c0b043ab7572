/** ReplicationController, of the core group: the older form of ReplicaSet. */

import { scaleView } from "../../autoscaling/v1/scale.ts";
import { ageColumn, mapCell, nameColumn, wide } from "../../columns.ts";
import { workloadWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required } from "../../errors.ts";
import type { ReplicationController } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { matchesLabels, termsOfMap } from "../../selector.ts";
import { nonNegative } from "../../validation/metadata.ts";
import { validateReplicaStatus } from "./replica-set.ts";
import { countColumn, defaultTemplate, templateColumns, validateTemplate } from "./workload.ts";

function defaults(object: ReplicationController): void {
  const { spec } = object;
  if (spec.template !== undefined) defaultTemplate(spec.template);
  spec.replicas ??= 1;
  const labels = spec.template?.metadata?.labels;
  if (labels === undefined) return;
  if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
  if (Object.keys(object.metadata.labels ?? {}).length === 0) {
    object.metadata.labels = { ...labels };
  }
}

function validate({ spec }: ReplicationController): FieldError[] {
  const { selector = {}, template } = spec;
  const errors = [
    ...nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...nonNegative("spec.replicas", spec.replicas),
  ];
  if (Object.keys(selector).length === 0) errors.push(required("spec.selector"));
  if (template === undefined) return [...errors, required("spec.template")];
  if (!matchesLabels(termsOfMap(selector), template.metadata?.labels)) {
    const rule = "`selector` does not match template `labels`";
    errors.push(invalid("spec.template.metadata.labels", template.metadata?.labels ?? null, rule));
  }
  return [...errors, ...validateTemplate(template, "ReplicationController")];
}

export const replicationController: Kind<ReplicationController> = defineKind<ReplicationController>(
  "core/v1.ReplicationController",
  {
    generation: "spec",
    warnings: workloadWarnings,
    defaults,
    validate,
    status: { validateUpdate: ({ status }) => validateReplicaStatus(status) },
    subresources: {
      scale: {
        view: scaleView<ReplicationController>(({ spec }) => termsOfMap(spec.selector ?? {})),
      },
    },
    columns: [
      nameColumn,
      countColumn<ReplicationController>("Desired", (object) => object.spec.replicas),
      countColumn<ReplicationController>("Current", (object) => object.status?.replicas),
      countColumn<ReplicationController>("Ready", (object) => object.status?.readyReplicas),
      ageColumn,
      ...templateColumns<ReplicationController>((object) => object.spec.template),
      wide("Selector", (object) => mapCell(object.spec.selector)),
    ],
    selectableFields: { "status.replicas": (object) => String(object.status?.replicas ?? 0) },
  },
);
