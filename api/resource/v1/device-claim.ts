/** The devices of a claim: requests, constraints, and configuration for drivers. */

import type { CompileBudget } from "@raft2kube/cel/budget.ts";
import { type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type {
  DeviceClaim,
  DeviceConstraint,
  DeviceRequest,
  DeviceSubRequest,
  ExactDeviceRequest,
} from "../../gen/resource/v1.ts";
import { eachOf, requiredBy } from "../../validation/checks.ts";
import { dnsSubdomain } from "../../validation/names.ts";
import {
  selectorBudget,
  validateConfiguration,
  validateFullName,
  validateLabel,
  validateSelectors,
  validateSet,
  validateToleration,
} from "./names.ts";

const REQUESTS_MAX = 32;
const ALTERNATIVES_MAX = 8;
const CONSTRAINTS_MAX = 32;
const CONFIGS_MAX = 32;
const MODES = ["All", "ExactCount"];

/** A request is for one device unless it says otherwise. */
export function defaultDeviceClaim(claim: DeviceClaim | undefined): void {
  for (const { exactly, firstAvailable = [] } of claim?.requests ?? []) {
    for (const request of [...(exactly === undefined ? [] : [exactly]), ...firstAvailable]) {
      request.allocationMode ||= "ExactCount";
      if (request.allocationMode === "ExactCount") request.count ||= 1;
    }
  }
}

function validateAmount(
  {
    deviceClassName,
    allocationMode = "",
    count = 0,
    ...rest
  }: ExactDeviceRequest | DeviceSubRequest,
  path: string,
  budget: CompileBudget,
): FieldError[] {
  const errors = requiredBy(dnsSubdomain, `${path}.deviceClassName`, deviceClassName);
  if (!MODES.includes(allocationMode)) {
    errors.push(notSupported(`${path}.allocationMode`, allocationMode, MODES));
  } else if (allocationMode === "All" && count !== 0) {
    const rule = "must not be specified when allocationMode is 'All'";
    errors.push(invalid(`${path}.count`, count, rule));
  } else if (allocationMode === "ExactCount" && count <= 0) {
    errors.push(invalid(`${path}.count`, count, "must be greater than zero"));
  }
  return [
    ...errors,
    ...validateSelectors(rest.selectors, `${path}.selectors`, budget),
    ...eachOf(rest.tolerations, `${path}.tolerations`, validateToleration),
  ];
}

function validateRequest(
  request: DeviceRequest,
  path: string,
  budget: CompileBudget,
): FieldError[] {
  const { name, exactly, firstAvailable = [] } = request;
  const errors = validateLabel(name, `${path}.name`);
  const only = "exactly one of `exactly` or `firstAvailable` is required";
  if (exactly !== undefined && firstAvailable.length > 0) {
    return [...errors, invalid(path, null, `${only}, but multiple fields are set`)];
  }
  if (exactly !== undefined) {
    return [...errors, ...validateAmount(exactly, `${path}.exactly`, budget)];
  }
  if (firstAvailable.length === 0) return [...errors, required(path, only)];
  return [
    ...errors,
    ...validateSet(
      firstAvailable,
      `${path}.firstAvailable`,
      ALTERNATIVES_MAX,
      (each) => each.name,
      (each, at) => [
        ...validateLabel(each.name, `${at}.name`),
        ...validateAmount(each, at, budget),
      ],
    ),
  ];
}

/**
 * The names that the parts of a claim may refer to: `request`, and `request/alternative`. Requests
 * and alternatives beyond their bounds have none: each repeats its request's name.
 */
export function requestNames(claim: DeviceClaim | undefined): ReadonlySet<string> {
  return new Set(
    (claim?.requests ?? [])
      .slice(0, REQUESTS_MAX)
      .flatMap(({ name, firstAvailable = [] }) => [
        name,
        ...firstAvailable.slice(0, ALTERNATIVES_MAX).map((each) => `${name}/${each.name}`),
      ]),
  );
}

/** A reference to a request. */
export function validateReference(
  name: string,
  path: string,
  known: ReadonlySet<string>,
): FieldError[] {
  const parts = name.split("/");
  const stranger = invalid(
    path,
    name,
    "must be the name of a request in the claim or the name " +
      "of a request and a subrequest separated by '/'",
  );
  if (parts.length > 2) return [stranger];
  return [
    ...parts.flatMap((part) => validateLabel(part, path)),
    ...(known.has(name) ? [] : [stranger]),
  ];
}

/** A list of references, each once. */
export function validateReferences(
  names: readonly string[] = [],
  path: string,
  known: ReadonlySet<string>,
): FieldError[] {
  return validateSet(
    names,
    path,
    REQUESTS_MAX,
    (each) => each,
    (each, at) => validateReference(each, at, known),
  );
}

function validateConstraint(
  constraint: DeviceConstraint,
  path: string,
  known: ReadonlySet<string>,
): FieldError[] {
  const { requests, matchAttribute, distinctAttribute } = constraint;
  const errors = validateReferences(requests, `${path}.requests`, known);
  if (matchAttribute !== undefined) {
    return [...errors, ...validateFullName(matchAttribute, `${path}.matchAttribute`)];
  }
  if (distinctAttribute !== undefined) {
    return [...errors, ...validateFullName(distinctAttribute, `${path}.distinctAttribute`)];
  }
  const rule =
    'exactly one of "matchAttribute" or "distinctAttribute" is ' +
    "required, but multiple fields are set";
  return [...errors, required(path, rule)];
}

export function validateDeviceClaim(claim: DeviceClaim, path: string): FieldError[] {
  const known = requestNames(claim);
  const budget = selectorBudget();
  const each = (): string => String(next++);
  let next = 0;
  return [
    ...validateSet(
      claim.requests,
      `${path}.requests`,
      REQUESTS_MAX,
      ({ name }) => name,
      (request, at) => validateRequest(request, at, budget),
    ),
    ...validateSet(
      claim.constraints ?? [],
      `${path}.constraints`,
      CONSTRAINTS_MAX,
      each,
      (constraint, at) => validateConstraint(constraint, at, known),
    ),
    ...validateSet(claim.config ?? [], `${path}.config`, CONFIGS_MAX, each, (config, at) => [
      ...validateReferences(config.requests, `${at}.requests`, known),
      ...validateConfiguration(config, at),
    ]),
  ];
}
