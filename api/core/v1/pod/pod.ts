/** Pod: the smallest thing that runs. */

import { defineKind } from "../../../define.ts";
import { type FieldError, forbidden } from "../../../errors.ts";
import type { Pod, PodStatus } from "../../../gen/core/v1.ts";
import type { Kind, StrategyContext } from "../../../kind.ts";
import { keep, keepMetadata, newFindings, raiseGeneration } from "../../../strategy.ts";
import { timeOf } from "../../../time.ts";
import { validateMetadataUpdate } from "../../../validation/metadata.ts";
import { podColumns, podRowConditions } from "./columns.ts";
import { defaultPod } from "./defaults.ts";
import { dropGated } from "./drop-gated.ts";
import { mergeLabelKeys } from "./label-keys.ts";
import { isMadeByNode } from "./mirror.ts";
import { qosClassOf } from "./qos.ts";
import { prepareResize, validateResize } from "./resize.ts";
import { takeAppArmorAnnotations, validateAppArmorMatch } from "./validate-security.ts";
import { validatePodSpec, validateSpecificAnnotations } from "./validate-spec.ts";
import {
  validateEphemeralUpdate,
  validatePodStatusUpdate,
  validatePodUpdate,
  validateTrimmedImages,
} from "./validate-update.ts";
import { nameWarnings, podWarnings } from "./warnings.ts";

/** A new pod is Pending; one with scheduling gates gets its condition at creation. */
function firstStatus(pod: Pod, context: StrategyContext): PodStatus {
  const status: PodStatus = { phase: "Pending", qosClass: qosClassOf(pod.spec) };
  if ((pod.spec.schedulingGates ?? []).length === 0) return status;
  return {
    ...status,
    conditions: [
      {
        type: "PodScheduled",
        status: "False",
        reason: "SchedulingGated",
        message: "Scheduling is blocked due to non-empty scheduling gates",
        lastTransitionTime: timeOf(context.now_ms),
      },
    ],
  };
}

/**
 * Seconds that a pod is given to end: those asked for, else its spec's; none if it never started,
 * and none for what shows a pod that its node runs from a file (not upstream): that does not end by
 * it, and a stolen node would confirm no end, so that the namespace could not be deleted.
 */
function gracePeriod_s(pod: Pod, asked_s?: number): number {
  const { spec, status } = pod;
  const ended = status?.phase === "Failed" || status?.phase === "Succeeded";
  if ((spec.nodeName ?? "") === "" || ended || isMadeByNode(pod)) return 0;
  const grace_s = asked_s ?? spec.terminationGracePeriodSeconds ?? 0;
  // Upstream's minimum, also for a spec of an older version.
  return grace_s < 0 ? 1 : grace_s;
}

/** Only the named list of the spec may change through this subresource. */
function keepAllBut(pod: Pod, old: Pod, name: "ephemeralContainers"): void {
  const changed = pod.spec[name];
  keep(pod, old, "spec");
  keep(pod, old, "status");
  if (changed === undefined) delete pod.spec[name];
  else pod.spec[name] = changed;
  raiseGeneration(pod, old);
}

const validateWhole = ({ metadata, spec }: Pod): FieldError[] => [
  ...validateSpecificAnnotations(metadata.annotations, spec, "metadata.annotations"),
  ...validatePodSpec(spec, "spec", metadata.name ?? ""),
];

function validateCreate({ metadata, spec }: Pod): FieldError[] {
  const errors = validateAppArmorMatch(metadata.annotations, spec, "spec");
  if ((spec.ephemeralContainers ?? []).length > 0) {
    errors.push(forbidden("spec.ephemeralContainers", "cannot be set on create"));
  }
  if ((spec.nodeName ?? "") !== "" && (spec.schedulingGates ?? []).length > 0) {
    const rule = "cannot be set until all schedulingGates have been cleared";
    errors.push(forbidden("spec.nodeName", rule));
  }
  return errors;
}

export const pod: Kind<Pod> = defineKind<Pod>("core/v1.Pod", {
  generation: "spec",
  defaults: defaultPod,
  prepareCreate(object, context) {
    mergeLabelKeys(object);
    dropGated(object.spec);
    object.status = firstStatus(object, context);
    const { metadata, spec } = object;
    for (const text of takeAppArmorAnnotations(metadata.annotations, spec)) context.warn?.(text);
  },
  prepareUpdate: (object, old) => dropGated(object.spec, old.spec),
  validate: (object) => [...validateWhole(object), ...validateTrimmedImages(object.spec)],
  validateCreate,
  validateUpdate: validatePodUpdate,
  warnings: (object, old) => [
    ...nameWarnings(object, old, "the Pod's hostname"),
    ...podWarnings(object.spec, "spec"),
  ],
  gracePeriod_s,
  status: {
    prepareUpdate(object, old) {
      keepMetadata(object, old, "ownerReferences");
      if (object.status !== undefined) object.status.qosClass ??= old.status?.qosClass;
      if (object.status?.qosClass === undefined) delete object.status?.qosClass;
    },
    validateUpdate: validatePodStatusUpdate,
  },
  subresources: {
    ephemeralcontainers: {
      strategy: {
        prepareUpdate: (object, old) => keepAllBut(object, old, "ephemeralContainers"),
        validateUpdate: (object, old) => [
          ...validateMetadataUpdate(object.metadata, old.metadata),
          ...newFindings(validateWhole, object, old),
          ...validateEphemeralUpdate(object, old),
        ],
      },
    },
    resize: { strategy: { prepareUpdate: prepareResize, validateUpdate: validateResize } },
  },
  columns: podColumns,
  rowConditions: podRowConditions,
  selectableFields: {
    "spec.nodeName": (object) => object.spec.nodeName ?? "",
    "spec.restartPolicy": (object) => object.spec.restartPolicy ?? "",
    "spec.schedulerName": (object) => object.spec.schedulerName ?? "",
    "spec.serviceAccountName": (object) => object.spec.serviceAccountName ?? "",
    "spec.hostNetwork": (object) => String(object.spec.hostNetwork ?? false),
    "status.phase": (object) => object.status?.phase ?? "",
    "status.podIP": (object) => object.status?.podIP ?? "",
    "status.nominatedNodeName": (object) => object.status?.nominatedNodeName ?? "",
  },
});
