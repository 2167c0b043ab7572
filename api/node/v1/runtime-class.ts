/** RuntimeClass: which handler of the container runtime runs a pod. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { validateResources } from "../../core/v1/pod/validate-resources.ts";
import { validateTolerations } from "../../core/v1/pod/validate-scheduling.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError } from "../../errors.ts";
import type { Toleration } from "../../gen/core/v1.ts";
import type { RuntimeClass } from "../../gen/node/v1.ts";
import type { Kind } from "../../kind.ts";
import { requiredBy } from "../../validation/checks.ts";
import { immutable, validateLabels } from "../../validation/metadata.ts";
import { dnsLabel } from "../../validation/names.ts";

/** Tolerations that only differ in their seconds are the same. */
function repeated(tolerations: readonly Toleration[] = [], path: string): FieldError[] {
  const seen = new Set<string>();
  return tolerations.flatMap((each, index) => {
    const { key = "", operator = "", value = "", effect = "" } = each;
    const serialized = JSON.stringify([key, operator, value, effect]);
    const errors = seen.has(serialized) ? [duplicate(`${path}[${index}]`, each)] : [];
    seen.add(serialized);
    return errors;
  });
}

export const runtimeClass: Kind<RuntimeClass> = defineKind<RuntimeClass>("node/v1.RuntimeClass", {
  createOnUpdate: true,
  unconditionalUpdate: false,
  finalizers: "any",
  validate: ({ handler, overhead, scheduling }) => [
    ...requiredBy(dnsLabel, "handler", handler),
    ...validateResources({ limits: overhead?.podFixed ?? {} }, "overhead"),
    ...validateLabels(scheduling?.nodeSelector, "scheduling.nodeSelector"),
    ...validateTolerations(scheduling?.tolerations, "scheduling.tolerations"),
    ...repeated(scheduling?.tolerations, "scheduling.tolerations"),
  ],
  validateUpdate: (object, old) => immutable("handler", object.handler, old.handler),
  columns: [nameColumn, column("Handler", (object) => object.handler), ageColumn],
});
