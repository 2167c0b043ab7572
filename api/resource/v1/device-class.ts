/** DeviceClass: a class of devices, with the configuration for their driver. */

import { isExtendedResource } from "../../core/v1/pod/validate-resources.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, tooMany } from "../../errors.ts";
import type { DeviceClass } from "../../gen/resource/v1.ts";
import type { Kind } from "../../kind.ts";
import { eachOf } from "../../validation/checks.ts";
import { selectorBudget, validateConfiguration, validateSelectors } from "./names.ts";

const CONFIGS_MAX = 32;

function validate({ spec }: DeviceClass): FieldError[] {
  const { selectors, config = [], extendedResourceName: name } = spec;
  return [
    ...validateSelectors(selectors, "spec.selectors", selectorBudget()),
    ...(config.length > CONFIGS_MAX ? [tooMany("spec.config", config.length, CONFIGS_MAX)] : []),
    ...eachOf(config, "spec.config", validateConfiguration),
    ...(name === undefined || isExtendedResource(name)
      ? []
      : [invalid("spec.extendedResourceName", name, "must be a valid extended resource name")]),
  ];
}

export const deviceClass: Kind<DeviceClass> = defineKind<DeviceClass>("resource/v1.DeviceClass", {
  generation: "spec",
  notActedOn: "DeviceClass is stored, but devices are not allocated by claims yet",
  validate,
});
