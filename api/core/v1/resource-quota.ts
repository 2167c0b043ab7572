/** ResourceQuota: bounds of the resources and objects of a namespace. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required } from "../../errors.ts";
import type {
  ResourceQuota,
  ResourceQuotaSpec,
  ScopedResourceSelectorRequirement,
} from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { validateAmount, validateResourceName } from "./pod/validate-resources.ts";
import { isQuotaResource, isWithinScope, SCOPES, SCOPES_OF_PODS } from "./quota/resources.ts";
import { roundAmounts } from "./round-amounts.ts";

/** Scopes that exclude each other. */
const CONTRARY = [
  ["BestEffort", "NotBestEffort"],
  ["Terminating", "NotTerminating"],
];

function validateAmounts(amounts: Record<string, string> = {}, path: string): FieldError[] {
  return Object.entries(amounts).flatMap(([name, amount]) => {
    const at = `${path}[${name}]`;
    const errors = validateResourceName(name, at);
    if (!name.includes("/") && !isQuotaResource(name)) {
      errors.push(invalid(at, name, "must be a standard resource for quota"));
    }
    return [...errors, ...validateAmount(name, amount, at)];
  });
}

/** Validates scopes: known, valid for all limited resources, not contradictory. */
function validateScopes(
  { hard = {}, scopes = [] }: ResourceQuotaSpec,
  named: readonly string[],
  path: string,
  scopePath: string,
): FieldError[] {
  const errors = named.flatMap((scope) => [
    ...(SCOPES.includes(scope) ? [] : [invalid(scopePath, scopes, "unsupported scope")]),
    ...Object.keys(hard)
      .filter((name) => isQuotaResource(name) && !isWithinScope(scope, name))
      .map(() => invalid(path, scopes, "unsupported scope applied to resource")),
  ]);
  const contrary = CONTRARY.filter((pair) => pair.every((each) => named.includes(each)));
  return [...errors, ...contrary.map(() => invalid(path, scopes, "conflicting scopes"))];
}

function validateRequirement(
  { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (SCOPES_OF_PODS.includes(scopeName) && operator !== "Exists") {
    const rule = `must be 'Exists' when scope is any of ${SCOPES_OF_PODS.join(", ")}`;
    errors.push(invalid(`${path}.operator`, operator, rule));
  }
  switch (operator) {
    case "In":
    case "NotIn":
      return values.length > 0
        ? errors
        : [
            ...errors,
            required(
              `${path}.values`,
              "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ),
          ];
    case "Exists":
    case "DoesNotExist":
      return values.length === 0
        ? errors
        : [
            ...errors,
            invalid(
              `${path}.values`,
              values,
              "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ),
          ];
    default:
      return [...errors, invalid(`${path}.operator`, operator, "not a valid selector operator")];
  }
}

function validate({ spec = {} }: ResourceQuota): FieldError[] {
  const requirements = spec.scopeSelector?.matchExpressions ?? [];
  const path = "spec.scopeSelector.matchExpressions";
  return [
    ...validateAmounts(spec.hard, "spec.hard"),
    ...validateScopes(spec, spec.scopes ?? [], "spec.scopes", "spec.scopes"),
    ...validateScopes(
      spec,
      requirements.map((each) => each.scopeName),
      path,
      `${path}.scopeName`,
    ),
    ...requirements.flatMap((each) => validateRequirement(each, path)),
  ];
}

function validateUpdate(object: ResourceQuota, old: ResourceQuota): FieldError[] {
  const set = ({ spec = {} }: ResourceQuota): Set<string> => new Set(spec.scopes);
  return isDeepStrictEqual(set(object), set(old))
    ? []
    : [invalid("spec.scopes", object.spec?.scopes ?? [], "field is immutable")];
}

function quotaCell(quota: ResourceQuota, limits: boolean): string {
  const { hard = {}, used = {} } = quota.status ?? {};
  return Object.keys(hard)
    .filter((name) => name.startsWith("limits.") === limits)
    .sort()
    .map((name) => `${name}: ${used[name] ?? "0"}/${hard[name]}`)
    .join(", ");
}

export const resourceQuota: Kind<ResourceQuota> = defineKind<ResourceQuota>(
  "core/v1.ResourceQuota",
  {
    defaults({ spec, status }) {
      roundAmounts(spec.hard, status?.hard, status?.used);
    },
    validate,
    validateUpdate,
    status: {
      validateUpdate: ({ status = {} }) => [
        ...validateAmounts(status.hard, "status.hard"),
        ...validateAmounts(status.used, "status.used"),
      ],
    },
    columns: [
      nameColumn,
      column("Request", (object) => quotaCell(object, false)),
      column("Limit", (object) => quotaCell(object, true)),
      ageColumn,
    ],
  },
);
