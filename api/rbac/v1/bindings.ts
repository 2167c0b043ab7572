/** RoleBinding and ClusterRoleBinding: the subjects that a role is granted to. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, nameColumn, wide } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type { ClusterRoleBinding, RoleBinding, RoleRef, Subject } from "../../gen/rbac/v1.ts";
import type { Column, Kind } from "../../kind.ts";
import { eachOf, invalidBy, oneOf } from "../../validation/checks.ts";
import { dnsSubdomain, pathSegment } from "../../validation/names.ts";

const GROUP = "rbac.authorization.k8s.io";
const SUBJECT_KINDS = ["ServiceAccount", "User", "Group"];

type Binding = RoleBinding | ClusterRoleBinding;

/** Users and groups belong to the group of authorization, accounts to the core group. */
function defaults(binding: Binding): void {
  binding.roleRef.apiGroup ||= GROUP;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= GROUP;
  }
}

function validateSubject(subject: Subject, namespaced: boolean, path: string): FieldError[] {
  const { kind, name, apiGroup = "", namespace = "" } = subject;
  const errors = name === "" ? [required(`${path}.name`)] : [];
  if (!SUBJECT_KINDS.includes(kind)) {
    return [...errors, notSupported(`${path}.kind`, kind, SUBJECT_KINDS)];
  }
  if (kind !== "ServiceAccount") {
    return apiGroup === GROUP
      ? errors
      : [...errors, notSupported(`${path}.apiGroup`, apiGroup, [GROUP])];
  }
  if (name !== "") errors.push(...invalidBy(dnsSubdomain, `${path}.name`, name));
  if (apiGroup !== "") errors.push(notSupported(`${path}.apiGroup`, apiGroup, [""]));
  if (!namespaced && namespace === "") errors.push(required(`${path}.namespace`));
  return errors;
}

function validateRef(ref: RoleRef, kinds: readonly string[]): FieldError[] {
  const errors =
    ref.apiGroup === GROUP ? [] : [notSupported("roleRef.apiGroup", ref.apiGroup, [GROUP])];
  errors.push(...oneOf(ref.kind, kinds, "roleRef.kind"));
  if (ref.name === "") errors.push(required("roleRef.name"));
  errors.push(...invalidBy(pathSegment, "roleRef.name", ref.name));
  return errors;
}

const validate = (binding: Binding, namespaced: boolean): FieldError[] => [
  ...validateRef(binding.roleRef, namespaced ? ["Role", "ClusterRole"] : ["ClusterRole"]),
  ...eachOf(binding.subjects, "subjects", (each, at) => validateSubject(each, namespaced, at)),
];

function validateUpdate(binding: Binding, old: Binding): FieldError[] {
  if (isDeepStrictEqual(binding.roleRef, old.roleRef)) return [];
  return [invalid("roleRef", binding.roleRef, "cannot change roleRef")];
}

function subjectsCell(binding: Binding, kind: string): string {
  return (binding.subjects ?? [])
    .filter((each) => each.kind === kind)
    .map((each) => (kind === "ServiceAccount" ? `${each.namespace ?? ""}/${each.name}` : each.name))
    .join(", ");
}

const columns: readonly Column<Binding>[] = [
  nameColumn,
  column("Role", (binding) => `${binding.roleRef.kind}/${binding.roleRef.name}`),
  ageColumn,
  wide("Users", (binding) => subjectsCell(binding, "User")),
  wide("Groups", (binding) => subjectsCell(binding, "Group")),
  wide("ServiceAccounts", (binding) => subjectsCell(binding, "ServiceAccount")),
];

export const roleBinding: Kind<RoleBinding> = defineKind<RoleBinding>("rbac/v1.RoleBinding", {
  nameRule: pathSegment,
  createOnUpdate: true,
  columns,
  defaults,
  validateUpdate,
  validate: (object) => validate(object, true),
});

export const clusterRoleBinding: Kind<ClusterRoleBinding> = defineKind<ClusterRoleBinding>(
  "rbac/v1.ClusterRoleBinding",
  {
    nameRule: pathSegment,
    createOnUpdate: true,
    columns,
    defaults,
    validateUpdate,
    validate: (object) => validate(object, false),
  },
);
