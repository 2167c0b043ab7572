/** RuntimeClass: which handler of the container runtime runs a pod. */
import type { RuntimeClass } from "../../gen/node/v1.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { invalid } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { validateLabels, immutable } from "../../validation/metadata.ts";
import { dnsLabel } from "../../validation/names.ts";
import { validateTolerations } from "../../core/v1/pod/validate-scheduling.ts";

export const runtimeClass: Kind<RuntimeClass> = defineKind<RuntimeClass>("node/v1.RuntimeClass", {
  createOnUpdate: true,
  unconditionalUpdate: false,
  validate: ({ handler, scheduling }) => [
    ...dnsLabel(handler).map((each) => invalid("handler", handler, each)),
    ...validateLabels(scheduling?.nodeSelector, "scheduling.nodeSelector"),
    ...validateTolerations(scheduling?.tolerations, "scheduling.tolerations"),
  ],
  validateUpdate: (object, old) => immutable("handler", object.handler, old.handler),
  columns: [nameColumn, column("Handler", (object) => object.handler), ageColumn],
});
