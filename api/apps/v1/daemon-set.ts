/** DaemonSet: one pod on every node that it selects. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, mapCell, nameColumn } from "../../columns.ts";
import { templateWarnings } from "../../core/v1/pod/warnings.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type { DaemonSet, DaemonSetUpdateStrategy } from "../../gen/apps/v1.ts";
import type { Kind } from "../../kind.ts";
import {
  immutable,
  nonNegative,
  notDecremented,
  validateCounts,
} from "../../validation/metadata.ts";
import {
  countColumn,
  defaultTemplate,
  isZeroShare,
  selectorColumn,
  templateColumns,
  validateShare,
  validateWorkload,
} from "./workload.ts";

const HISTORY = 10;
const TEMPLATE_COUNT = "deprecated.daemonset.template.generation";
const STRATEGIES = ["RollingUpdate", "OnDelete"];

function defaults({ metadata, spec }: DaemonSet): void {
  metadata.annotations = { [TEMPLATE_COUNT]: "0", ...metadata.annotations };
  defaultTemplate(spec.template);
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= "RollingUpdate";
  if (spec.updateStrategy.type === "RollingUpdate") {
    spec.updateStrategy.rollingUpdate ??= {};
    spec.updateStrategy.rollingUpdate.maxUnavailable ??= 1;
    spec.updateStrategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= HISTORY;
}

/** Changes of the template are counted where a field of older versions counted them. */
function countTemplate(object: DaemonSet, count: number): void {
  if (count === 0) return;
  object.metadata.annotations = { ...object.metadata.annotations, [TEMPLATE_COUNT]: String(count) };
}

/** Upstream has the count in the annotation for clients of the object alone. */
function withoutTemplateCount(object: DaemonSet): DaemonSet {
  const { annotations, ...metadata } = object.metadata;
  const { [TEMPLATE_COUNT]: _count, ...others } = annotations ?? {};
  if (Object.keys(others).length === 0) return { ...object, metadata };
  return { ...object, metadata: { ...metadata, annotations: others } };
}

function validateStrategy(strategy: DaemonSetUpdateStrategy): FieldError[] {
  const { type = "", rollingUpdate } = strategy;
  if (!STRATEGIES.includes(type)) {
    return [notSupported("spec.updateStrategy", strategy, STRATEGIES)];
  }
  if (type === "OnDelete") return [];
  const path = "spec.updateStrategy.rollingUpdate";
  if (rollingUpdate === undefined) return [required(path)];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const errors = [
    ...validateShare(maxUnavailable, `${path}.maxUnavailable`, true),
    ...validateShare(maxSurge, `${path}.maxSurge`, true),
  ];
  const someUnavailable = !isZeroShare(maxUnavailable);
  const someSurge = !isZeroShare(maxSurge);
  if (someUnavailable && someSurge) {
    const rule = "may not be set when maxUnavailable is non-zero";
    errors.push(invalid(`${path}.maxSurge`, maxSurge, rule));
  }
  if (!someUnavailable && !someSurge) {
    errors.push(required(`${path}.maxUnavailable`, "cannot be 0 when maxSurge is 0"));
  }
  return errors;
}

export const daemonSet: Kind<DaemonSet> = defineKind<DaemonSet>("apps/v1.DaemonSet", {
  generation: "spec",
  warnings: (object) => templateWarnings(object.spec.template),
  defaults,
  shown: withoutTemplateCount,
  prepareCreate: (object) => countTemplate(object, 1),
  prepareUpdate(object, old) {
    const count = Number(old.metadata.annotations?.[TEMPLATE_COUNT] ?? 0);
    const same = isDeepStrictEqual(object.spec.template, old.spec.template);
    countTemplate(object, same ? count : count + 1);
  },
  validate: ({ spec }) => [
    ...validateWorkload(spec, "daemonset", "DaemonSet"),
    ...nonNegative("spec.minReadySeconds", spec.minReadySeconds),
    ...validateStrategy(spec.updateStrategy ?? {}),
    ...nonNegative("spec.revisionHistoryLimit", spec.revisionHistoryLimit),
  ],
  validateUpdate: (object, old) =>
    immutable("spec.selector", object.spec.selector, old.spec.selector),
  status: {
    validateUpdate: ({ status }, old) => [
      ...validateCounts(status, [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
      ]),
      ...notDecremented(status, old.status),
    ],
  },
  columns: [
    nameColumn,
    countColumn<DaemonSet>("Desired", (object) => object.status?.desiredNumberScheduled),
    countColumn<DaemonSet>("Current", (object) => object.status?.currentNumberScheduled),
    countColumn<DaemonSet>("Ready", (object) => object.status?.numberReady),
    countColumn<DaemonSet>("Up-to-date", (object) => object.status?.updatedNumberScheduled),
    countColumn<DaemonSet>("Available", (object) => object.status?.numberAvailable),
    column("Node Selector", (object) => mapCell(object.spec.template.spec?.nodeSelector)),
    ageColumn,
    ...templateColumns<DaemonSet>((object) => object.spec.template),
    selectorColumn<DaemonSet>((object) => object.spec.selector),
  ],
});
