/** PodDisruptionBudget: how many pods may be disrupted at the same time. */

import { validateShare } from "../../apps/v1/workload.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid } from "../../errors.ts";
import type { PodDisruptionBudget } from "../../gen/policy/v1.ts";
import type { Kind } from "../../kind.ts";
import { oneOfIfSet } from "../../validation/checks.ts";
import { validateConditions } from "../../validation/conditions.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { validateCounts } from "../../validation/metadata.ts";
import { pathSegment } from "../../validation/names.ts";

const EVICTION_POLICIES = ["AlwaysAllow", "IfHealthyBudget"];

function validate({ spec }: PodDisruptionBudget): FieldError[] {
  const { minAvailable, maxUnavailable, unhealthyPodEvictionPolicy: policy } = spec;
  const errors: FieldError[] = [];
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    errors.push(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
  }
  errors.push(...validateShare(minAvailable, "spec.minAvailable", true));
  errors.push(...validateShare(maxUnavailable, "spec.maxUnavailable", true));
  errors.push(...validateLabelSelector(spec.selector, "spec.selector"));
  errors.push(...oneOfIfSet(policy, EVICTION_POLICIES, "spec.unhealthyPodEvictionPolicy"));
  return errors;
}

export const podDisruptionBudget: Kind<PodDisruptionBudget> = defineKind<PodDisruptionBudget>(
  "policy/v1.PodDisruptionBudget",
  {
    nameRule: pathSegment,
    generation: "spec",
    unconditionalUpdate: false,
    finalizers: "any",
    validate,
    status: {
      finalizers: "any",
      validateUpdate: ({ status }) => [
        ...validateConditions(status?.conditions, "status.conditions"),
        ...validateCounts(status, [
          "disruptionsAllowed",
          "currentHealthy",
          "desiredHealthy",
          "expectedPods",
        ]),
      ],
    },
    columns: [
      nameColumn,
      column("Min Available", (object) => String(object.spec.minAvailable ?? "N/A")),
      column("Max Unavailable", (object) => String(object.spec.maxUnavailable ?? "N/A")),
      column("Allowed Disruptions", (object) => object.status?.disruptionsAllowed ?? 0, {
        type: "integer",
      }),
      ageColumn,
    ],
  },
);
