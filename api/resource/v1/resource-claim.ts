/** ResourceClaim and its template: devices that pods request, and those allocated to them. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { validateRequiredTerm } from "../../core/v1/pod/validate-scheduling.ts";
import { validateDriverName } from "../../core/v1/pod/validate-volumes.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, invalid, required } from "../../errors.ts";
import type {
  AllocatedDeviceStatus,
  AllocationResult,
  ResourceClaim,
  ResourceClaimTemplate,
} from "../../gen/resource/v1.ts";
import type { Kind } from "../../kind.ts";
import { eachOf, oneOf } from "../../validation/checks.ts";
import { validateConditions } from "../../validation/conditions.ts";
import { immutable, validateAnnotations, validateLabels } from "../../validation/metadata.ts";
import {
  defaultDeviceClaim,
  requestNames,
  validateDeviceClaim,
  validateReference,
  validateReferences,
} from "./device-claim.ts";
import { validateConfiguration, validateLabel, validatePoolName, validateSet } from "./names.ts";

const RESULTS_MAX = 32;
const CONFIGS_MAX = 64;
const CONSUMERS_MAX = 256;
const SOURCES = ["FromClaim", "FromClass"];
const DEVICES = "is stored, but devices are not allocated by claims yet";

type Place = { readonly driver: string; readonly pool: string; readonly device: string };

const deviceKey = ({ driver, pool, device }: Place): string => `${driver}/${pool}/${device}`;

const validatePlace = ({ driver, pool, device }: Place, path: string): FieldError[] => [
  ...validateDriverName(driver, `${path}.driver`),
  ...validatePoolName(pool, `${path}.pool`),
  ...validateLabel(device, `${path}.device`),
];

function validateAllocation(
  { devices = {}, nodeSelector }: AllocationResult,
  path: string,
  known: ReadonlySet<string>,
): FieldError[] {
  let next = 0;
  const each = (): string => String(next++);
  return [
    ...validateSet(
      devices.results ?? [],
      `${path}.devices.results`,
      RESULTS_MAX,
      each,
      (result, at) => [
        ...validateReference(result.request, `${at}.request`, known),
        ...validatePlace(result, at),
      ],
    ),
    ...validateSet(
      devices.config ?? [],
      `${path}.devices.config`,
      CONFIGS_MAX,
      each,
      (config, at) => [
        ...((config.source as string) === ""
          ? [required(`${at}.source`)]
          : oneOf(config.source, SOURCES, `${at}.source`)),
        ...validateReferences(config.requests, `${at}.requests`, known),
        ...validateConfiguration(config, at),
      ],
    ),
    ...(nodeSelector === undefined
      ? []
      : validateNodeSelector(nodeSelector.nodeSelectorTerms, `${path}.nodeSelector`)),
  ];
}

/** Nodes by terms, of which there is one at least. */
export function validateNodeSelector(
  terms: readonly Parameters<typeof validateRequiredTerm>[0][],
  path: string,
): FieldError[] {
  const at = `${path}.nodeSelectorTerms`;
  if (terms.length === 0) return [required(at, "must have at least one node selector term")];
  return eachOf(terms, at, validateRequiredTerm);
}

const validateDevice = (
  device: AllocatedDeviceStatus,
  path: string,
  allocated: ReadonlySet<string>,
): FieldError[] => [
  ...validatePlace(device, path),
  ...(allocated.has(deviceKey(device))
    ? []
    : [invalid(path, deviceKey(device), "must be an allocated device in the claim")]),
  ...validateConditions(device.conditions, `${path}.conditions`),
];

function validateStatus({ spec, status = {} }: ResourceClaim, old: ResourceClaim): FieldError[] {
  const { allocation, reservedFor = [], devices = [] } = status;
  const allocated = new Set((allocation?.devices?.results ?? []).map(deviceKey));
  const errors = [
    ...validateSet(
      reservedFor,
      "status.reservedFor",
      CONSUMERS_MAX,
      ({ uid }) => uid,
      (consumer, at) =>
        (["resource", "name", "uid"] as const).flatMap((name) =>
          consumer[name] === "" ? [required(`${at}.${name}`)] : [],
        ),
    ),
    ...validateSet(devices, "status.devices", Infinity, deviceKey, (device, at) =>
      validateDevice(device, at, allocated),
    ),
  ];
  if (reservedFor.length > 0 && allocation === undefined) {
    const rule = "may not be specified when `allocated` is not set";
    errors.push(forbidden("status.reservedFor", rule));
  }
  if (allocation === undefined) return errors;
  return [
    ...errors,
    ...(old.status?.allocation === undefined
      ? validateAllocation(allocation, "status.allocation", requestNames(spec.devices))
      : immutable("status.allocation", allocation, old.status.allocation)),
  ];
}

function claimState({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp !== undefined) states.push("deleted");
  if (status?.allocation === undefined) {
    if (metadata.deletionTimestamp === undefined) states.push("pending");
  } else {
    states.push("allocated");
    if ((status.reservedFor ?? []).length > 0) states.push("reserved");
  }
  return states.join(",");
}

export const resourceClaim: Kind<ResourceClaim> = defineKind<ResourceClaim>(
  "resource/v1.ResourceClaim",
  {
    notActedOn: `ResourceClaim ${DEVICES}`,
    defaults: ({ spec }) => defaultDeviceClaim(spec.devices),
    validateCreate: ({ spec }) => validateDeviceClaim(spec.devices, "spec.devices"),
    validateUpdate: (object, old) => immutable("spec", object.spec, old.spec),
    status: { validateUpdate: validateStatus },
    columns: [nameColumn, column("State", claimState), ageColumn],
  },
);

export const resourceClaimTemplate: Kind<ResourceClaimTemplate> = defineKind<ResourceClaimTemplate>(
  "resource/v1.ResourceClaimTemplate",
  {
    notActedOn: `ResourceClaimTemplate ${DEVICES}`,
    defaults: ({ spec }) => defaultDeviceClaim(spec.spec.devices),
    validate: ({ spec }) => [
      ...validateAnnotations(spec.metadata?.annotations, "spec.metadata.annotations"),
      ...validateLabels(spec.metadata?.labels, "spec.metadata.labels"),
      ...validateDeviceClaim(spec.spec.devices, "spec.spec.devices"),
    ],
    validateUpdate: (object, old) => immutable("spec", object.spec, old.spec),
    columns: [nameColumn, ageColumn],
  },
);
