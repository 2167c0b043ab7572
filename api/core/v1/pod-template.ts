/** PodTemplate: a template by itself, which no controller of Kubernetes uses. */

import { column, mapCell, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import type { PodTemplate } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { defaultPodSpec } from "./pod/defaults.ts";
import { validatePodTemplate } from "./pod/validate-spec.ts";
import { templateWarnings } from "./pod/warnings.ts";

export const podTemplate: Kind<PodTemplate> = defineKind<PodTemplate>("core/v1.PodTemplate", {
  warnings: ({ template }) => templateWarnings(template, "template"),
  generation: "content",
  defaults(object) {
    object.template ??= {};
    object.template.spec ??= { containers: [] };
    defaultPodSpec(object.template.spec);
  },
  validate: ({ template = {} }) => validatePodTemplate(template, "template"),
  columns: [
    nameColumn,
    column("Containers", ({ template }) =>
      (template?.spec?.containers ?? []).map((each) => each.name).join(","),
    ),
    column("Images", ({ template }) =>
      (template?.spec?.containers ?? []).map((each) => each.image ?? "").join(","),
    ),
    column("Pod Labels", ({ template }) => mapCell(template?.metadata?.labels)),
  ],
});
