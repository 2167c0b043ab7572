/** ServiceCIDR and IPAddress: the ranges of Services, and each address taken from them. */
import type { IPAddress, ServiceCIDR } from "../../gen/networking/v1.ts";
import { isIP } from "node:net";
import { ageColumn, column, nameColumn, NONE } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { invalid, required, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { validateCidr } from "../../validation/addresses.ts";
import { immutable } from "../../validation/metadata.ts";

function validateRanges({ spec }: ServiceCIDR): FieldError[] {
  const { cidrs = [] } = spec;
  if (cidrs.length === 0) return [required("spec.cidrs", "at least one CIDR required")];
  if (cidrs.length > 2) {
    return [invalid("spec", spec, "may only hold up to 2 values")];
  }
  return cidrs.flatMap((each, index) => validateCidr(each, `spec.cidrs[${index}]`));
}

export const serviceCIDR: Kind<ServiceCIDR> = defineKind<ServiceCIDR>("networking/v1.ServiceCIDR", {
  validate: validateRanges,
  validateUpdate: (object, old) => immutable("spec.cidrs", object.spec.cidrs, old.spec.cidrs),
  columns: [
    nameColumn, column("CIDRs", (object) => (object.spec.cidrs ?? []).join(",")), ageColumn,
  ],
});

function parentCell({ spec }: IPAddress): string {
  const parent = spec.parentRef;
  if (parent === undefined) return NONE;
  const group = (parent.group ?? "") === "" ? "" : `.${parent.group}`;
  const parts = [`${parent.resource}${group}`.toLowerCase(), parent.namespace ?? "", parent.name];
  return parts.filter((each) => (each ?? "") !== "").join("/");
}

export const ipAddress: Kind<IPAddress> = defineKind<IPAddress>("networking/v1.IPAddress", {
  nameRule: (name) => isIP(name) === 0
    ? ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"] : [],
  validate: ({ spec }) => spec.parentRef === undefined ? [required("spec.parentRef")] : [
    ...(spec.parentRef.resource === "" ? [required("spec.parentRef.resource")] : []),
    ...(spec.parentRef.name === "" ? [required("spec.parentRef.name")] : []),
  ],
  validateUpdate: (object, old) =>
    immutable("spec.parentRef", object.spec.parentRef, old.spec.parentRef),
  columns: [nameColumn, column("ParentRef", parentCell), ageColumn],
  selectableFields: {
    "spec.parentRef.group": ({ spec }) => spec.parentRef?.group ?? "",
    "spec.parentRef.resource": ({ spec }) => spec.parentRef?.resource ?? "",
    "spec.parentRef.namespace": ({ spec }) => spec.parentRef?.namespace ?? "",
    "spec.parentRef.name": ({ spec }) => spec.parentRef?.name ?? "",
  },
});
