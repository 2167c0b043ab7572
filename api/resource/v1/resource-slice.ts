/** ResourceSlice: devices that a driver offers, on a node or reachable from several. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { validateDriverName } from "../../core/v1/pod/validate-volumes.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required, tooLong } from "../../errors.ts";
import type {
  CounterSet,
  Device,
  DeviceAttribute,
  DeviceTaint,
  ResourceSlice,
} from "../../gen/resource/v1.ts";
import type { Kind } from "../../kind.ts";
import { timeOf } from "../../time.ts";
import { eachOf, invalidBy, oneOf } from "../../validation/checks.ts";
import { immutable } from "../../validation/metadata.ts";
import { dnsSubdomain, labelValue, qualifiedName } from "../../validation/names.ts";
import {
  TAINT_EFFECTS,
  validateKeys,
  validateLabel,
  validateName,
  validatePoolName,
  validateSet,
} from "./names.ts";
import { validateNodeSelector } from "./resource-claim.ts";

const DEVICES_MAX = 128;
const DEVICES_WITH_TAINTS_MAX = 64;
const COUNTER_SETS_MAX = 8;
const CONSUMPTIONS_MAX = 2;
const VALUE_LENGTH_MAX = 64;
const ATTRIBUTE_TYPES = [
  "int",
  "bool",
  "string",
  "version",
  "ints",
  "bools",
  "strings",
  "versions",
] as const;
const NUMBER = "(?:0|[1-9]\\d*)";
const PRERELEASE = `(?:${NUMBER}|\\d*[a-zA-Z-][0-9a-zA-Z-]*)`;
const SEMVER = new RegExp(
  `^${NUMBER}\\.${NUMBER}\\.${NUMBER}` +
    `(?:-${PRERELEASE}(?:\\.${PRERELEASE})*)?(?:\\+[0-9a-zA-Z-]+(?:\\.[0-9a-zA-Z-]+)*)?$`,
);

function validateAttribute(attribute: DeviceAttribute, path: string): FieldError[] {
  const { string = "", version } = attribute;
  const errors: FieldError[] = [];
  if (string.length > VALUE_LENGTH_MAX) errors.push(tooLong(`${path}.string`, VALUE_LENGTH_MAX));
  if (version !== undefined) {
    if (!SEMVER.test(version)) {
      const rule = "must be a string compatible with semver.org spec 2.0.0";
      errors.push(invalid(`${path}.version`, version, rule));
    }
    if (version.length > VALUE_LENGTH_MAX) {
      errors.push(tooLong(`${path}.version`, VALUE_LENGTH_MAX));
    }
  }
  return ATTRIBUTE_TYPES.filter((name) => attribute[name] !== undefined).length === 1
    ? errors
    : [...errors, invalid(path, attribute, "exactly one value must be specified")];
}

const validateTaint = ({ key, value = "", effect }: DeviceTaint, path: string): FieldError[] => [
  ...invalidBy(qualifiedName, `${path}.key`, key),
  ...invalidBy(labelValue, `${path}.value`, value),
  ...((effect as string) === ""
    ? [required(`${path}.effect`)]
    : oneOf(effect, TAINT_EFFECTS, `${path}.effect`)),
];

/** Counters of a set, offered or consumed. */
const validateCounters = (
  name: string,
  nameField: string,
  counters: object = {},
  path: string,
): FieldError[] => [
  ...(name === ""
    ? [required(`${path}.${nameField}`)]
    : validateLabel(name, `${path}.${nameField}`)),
  ...(Object.keys(counters).length === 0
    ? [required(`${path}.counters`)]
    : validateKeys(counters, `${path}.counters`, validateLabel)),
];

function validateDevice(device: Device, path: string, apart: boolean): FieldError[] {
  const { attributes = {}, capacity = {}, taints = [], consumesCounters = [] } = device;
  const errors = [
    ...validateLabel(device.name, `${path}.name`),
    ...validateKeys(attributes, `${path}.attributes`, validateName),
    ...Object.entries(attributes).flatMap(([name, each]) =>
      validateAttribute(each, `${path}.attributes[${name}]`),
    ),
    ...validateKeys(capacity, `${path}.capacity`, validateName),
    ...eachOf(taints, `${path}.taints`, validateTaint),
    ...validateSet(
      consumesCounters,
      `${path}.consumesCounters`,
      CONSUMPTIONS_MAX,
      (each) => each.counterSet,
      (each, at) => validateCounters(each.counterSet, "counterSet", each.counters, at),
    ),
  ];
  const places = [device.nodeName, device.nodeSelector, device.allNodes].filter(
    (each) => each !== undefined,
  ).length;
  if (places === (apart ? 1 : 0)) return errors;
  return [
    ...errors,
    apart && places === 0
      ? required(
          path,
          "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when " +
            "`perDeviceNodeSelection` is set to true in the ResourceSlice spec",
        )
      : invalid(
          path,
          null,
          "`nodeName`, `nodeSelector` and `allNodes` can only be set if " +
            "`perDeviceNodeSelection` is set to true in the ResourceSlice spec",
        ),
  ];
}

/** Requires exactly one of the fields that say which nodes have the devices. */
function validateWhere({ spec }: ResourceSlice): FieldError[] {
  const { nodeName, nodeSelector, allNodes, perDeviceNodeSelection } = spec;
  const errors: FieldError[] = [];
  const ways: string[] = [];
  if (nodeName === "") {
    const rule = "must be either unset or set to a non-empty string";
    errors.push(invalid("spec.nodeName", nodeName, rule));
  } else if (nodeName !== undefined) {
    ways.push("`nodeName`");
    errors.push(...invalidBy(dnsSubdomain, "spec.nodeName", nodeName));
  }
  if (nodeSelector !== undefined) {
    ways.push("`nodeSelector`");
    const terms = nodeSelector.nodeSelectorTerms;
    errors.push(...validateNodeSelector(terms, "spec.nodeSelector"));
    if (terms.length !== 1) {
      const rule = "must have exactly one node selector term";
      errors.push(invalid("spec.nodeSelector.nodeSelectorTerms", terms, rule));
    }
  }
  for (const [name, value] of Object.entries({ allNodes, perDeviceNodeSelection })) {
    if (value === true) ways.push(`\`${name}\``);
    if (value === false) {
      errors.push(invalid(`spec.${name}`, value, "must be either unset or set to true"));
    }
  }
  const one =
    "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` " +
    "is required";
  if (ways.length === 0) errors.push(required("spec", one));
  if (ways.length > 1) {
    errors.push(invalid("spec", `{${ways.join(", ")}}`, `${one}, but multiple fields are set`));
  }
  return errors;
}

function validate(slice: ResourceSlice): FieldError[] {
  const { driver, pool, devices, sharedCounters, perDeviceNodeSelection } = slice.spec;
  const errors = [
    ...validateDriverName(driver, "spec.driver"),
    ...validatePoolName(pool.name, "spec.pool.name"),
    ...(pool.resourceSliceCount > 0
      ? []
      : [
          invalid(
            "spec.pool.resourceSliceCount",
            pool.resourceSliceCount,
            "must be greater than zero",
          ),
        ]),
    ...(pool.generation >= 0
      ? []
      : [
          invalid("spec.pool.generation", pool.generation, "must be greater than or equal to zero"),
        ]),
    ...validateWhere(slice),
  ];
  if (sharedCounters !== undefined && devices !== undefined) {
    errors.push(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"));
  }
  const special = (devices ?? []).some(
    (each) => (each.taints ?? []).length > 0 || (each.consumesCounters ?? []).length > 0,
  );
  return [
    ...errors,
    ...validateSet(
      devices ?? [],
      "spec.devices",
      special ? DEVICES_WITH_TAINTS_MAX : DEVICES_MAX,
      (each) => each.name,
      (each, at) => validateDevice(each, at, perDeviceNodeSelection === true),
    ),
    ...validateSet(
      sharedCounters ?? [],
      "spec.sharedCounters",
      COUNTER_SETS_MAX,
      (each: CounterSet) => each.name,
      (each, at) => validateCounters(each.name, "name", each.counters, at),
    ),
  ];
}

/** A taint that says no time was added now. */
function stampTaints({ spec }: ResourceSlice, now_ms: number): void {
  for (const taint of (spec.devices ?? []).flatMap((each) => each.taints ?? [])) {
    taint.timeAdded ??= timeOf(now_ms);
  }
}

export const resourceSlice: Kind<ResourceSlice> = defineKind<ResourceSlice>(
  "resource/v1.ResourceSlice",
  {
    generation: "spec",
    notActedOn: "ResourceSlice is stored, but devices are not allocated by claims yet",
    prepareCreate: (object, { now_ms }) => stampTaints(object, now_ms),
    prepareUpdate: (object, _old, { now_ms }) => stampTaints(object, now_ms),
    validate,
    validateUpdate: ({ spec }, { spec: old }) => [
      ...immutable("spec.pool.name", spec.pool.name, old.pool.name),
      ...immutable("spec.driver", spec.driver, old.driver),
      ...immutable("spec.nodeName", spec.nodeName, old.nodeName),
    ],
    selectableFields: {
      "spec.nodeName": ({ spec }) => spec.nodeName ?? "",
      "spec.driver": ({ spec }) => spec.driver,
    },
    columns: [
      nameColumn,
      column("Node", ({ spec }) => spec.nodeName ?? ""),
      column("Driver", ({ spec }) => spec.driver),
      column("Pool", ({ spec }) => spec.pool.name),
      ageColumn,
    ],
  },
);
