/** Role and ClusterRole: lists of permitted actions. */

import { column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required } from "../../errors.ts";
import type { ClusterRole, PolicyRule, Role } from "../../gen/rbac/v1.ts";
import type { Column, Kind, KubeObject } from "../../kind.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { pathSegment } from "../../validation/names.ts";

function validateRule(rule: PolicyRule, namespaced: boolean, path: string): FieldError[] {
  const { verbs = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  const urls = rule.nonResourceURLs ?? [];
  const errors =
    verbs.length === 0 ? [required(`${path}.verbs`, "verbs must contain at least one value")] : [];
  if (urls.length > 0) {
    if (namespaced) {
      const why = "namespaced rules cannot apply to non-resource URLs";
      errors.push(invalid(`${path}.nonResourceURLs`, urls, why));
    }
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0) {
      const why = "rules cannot apply to both regular resources and non-resource URLs";
      errors.push(invalid(`${path}.nonResourceURLs`, urls, why));
    }
    return errors;
  }
  if (apiGroups.length === 0) {
    errors.push(required(`${path}.apiGroups`, "resource rules must supply at least one api group"));
  }
  if (resources.length === 0) {
    errors.push(required(`${path}.resources`, "resource rules must supply at least one resource"));
  }
  return errors;
}

function validateRules(
  rules: readonly PolicyRule[] | undefined,
  namespaced: boolean,
): FieldError[] {
  return (rules ?? []).flatMap((each, index) => validateRule(each, namespaced, `rules[${index}]`));
}

function validateAggregation({ aggregationRule }: ClusterRole): FieldError[] {
  if (aggregationRule === undefined) return [];
  const path = "aggregationRule.clusterRoleSelectors";
  const selectors = aggregationRule.clusterRoleSelectors ?? [];
  if (selectors.length === 0) {
    const rule = "at least one clusterRoleSelector required if aggregationRule is non-nil";
    return [required(path, rule)];
  }
  return selectors.flatMap((each, index) => {
    const errors = validateLabelSelector(each, `${path}[${index}]`);
    return errors.length === 0
      ? []
      : [...errors, invalid(`${path}[${index}]`, each, "invalid label selector")];
  });
}

/** Roles show when they were made, not how old they are. */
const createdColumn: Column<KubeObject> = column(
  "Created At",
  (object) => object.metadata.creationTimestamp ?? null,
  { type: "date" },
);

export const role: Kind<Role> = defineKind<Role>("rbac/v1.Role", {
  createOnUpdate: true,
  nameRule: pathSegment,
  validate: (object) => validateRules(object.rules, true),
  columns: [nameColumn, createdColumn],
});

export const clusterRole: Kind<ClusterRole> = defineKind<ClusterRole>("rbac/v1.ClusterRole", {
  createOnUpdate: true,
  nameRule: pathSegment,
  validate: (object) => [...validateRules(object.rules, false), ...validateAggregation(object)],
  columns: [nameColumn, createdColumn],
});
