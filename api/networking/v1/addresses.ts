/** ServiceCIDR and IPAddress: the ranges of Services, and each address taken from them. */
import { isDeepStrictEqual } from "node:util";
import { ageColumn, column, NONE, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, invalid, required } from "../../errors.ts";
import type { IPAddress, ParentReference, ServiceCIDR } from "../../gen/networking/v1.ts";
import type { Kind } from "../../kind.ts";
import { canonicalIp, validateCanonicalCidr } from "../../validation/canonical-addresses.ts";
import { eachOf, invalidBy } from "../../validation/checks.ts";
import { immutable } from "../../validation/metadata.ts";
import { dnsSubdomain, pathSegment } from "../../validation/names.ts";

function validateRanges({ spec }: ServiceCIDR): FieldError[] {
  const { cidrs = [] } = spec;
  if (cidrs.length === 0) return [required("spec.cidrs", "at least one CIDR required")];
  if (cidrs.length > 2) {
    // In the words of Go's structure, as upstream shows it.
    return [invalid("spec.cidrs", { CIDRs: cidrs }, "may only hold up to 2 values")];
  }
  const errors = eachOf(cidrs, "spec.cidrs", validateCanonicalCidr);
  const families = new Set(cidrs.map((each) => each.includes(":")));
  if (errors.length > 0 || families.size === cidrs.length) return errors;
  const rule =
    "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
  return [invalid("spec.cidrs", cidrs, rule)];
}

/** A range stays; one of the other family may be added. */
function validateRangesUpdate(object: ServiceCIDR, old: ServiceCIDR): FieldError[] {
  const [now = [], before = []] = [object.spec.cidrs, old.spec.cidrs];
  const added = before.length === 1 && now.length === 2;
  if (now.length !== before.length && !added) {
    return [invalid("spec.cidrs", now, "field is immutable")];
  }
  const changed = before.flatMap((each, index) =>
    immutable(`spec.cidrs[${index}]`, now[index], each),
  );
  return added ? [...changed, ...validateRanges(object)] : changed;
}

export const serviceCIDR: Kind<ServiceCIDR> = defineKind<ServiceCIDR>("networking/v1.ServiceCIDR", {
  validateCreate: validateRanges,
  validateUpdate: validateRangesUpdate,
  status: { keepMetadata: true },
  columns: [
    nameColumn,
    column("CIDRs", (object) => (object.spec.cidrs ?? []).join(",")),
    ageColumn,
  ],
});

function parentCell({ spec }: IPAddress): string {
  const parent = spec.parentRef;
  if (parent === undefined) return NONE;
  const group = (parent.group ?? "") === "" ? "" : `.${parent.group}`;
  const parts = [`${parent.resource}${group}`.toLowerCase(), parent.namespace ?? "", parent.name];
  return parts.filter((each) => (each ?? "") !== "").join("/");
}

/** Shows the reference with the field names of Go's structure, as upstream does. */
function shownParent(parent: ParentReference | undefined): object | null {
  if (parent === undefined) return null;
  const { group = "", resource = "", namespace = "", name = "" } = parent;
  return { Group: group, Resource: resource, Namespace: namespace, Name: name };
}

/** The parent of an address: parts of a path, the group a domain. */
function validateParent(parent: ParentReference, path: string): FieldError[] {
  const { group = "", resource = "", name = "", namespace = "" } = parent;
  const segment = (text: string, at: string): FieldError[] => invalidBy(pathSegment, at, text);
  return [
    ...(group === "" ? [] : invalidBy(dnsSubdomain, `${path}.group`, group)),
    ...(resource === "" ? [required(`${path}.resource`)] : segment(resource, `${path}.resource`)),
    ...(name === "" ? [required(`${path}.name`)] : segment(name, `${path}.name`)),
    ...segment(namespace, `${path}.namespace`),
  ];
}

export const ipAddress: Kind<IPAddress> = defineKind<IPAddress>("networking/v1.IPAddress", {
  nameRule: canonicalIp,
  validate: ({ spec }) =>
    spec.parentRef === undefined
      ? [required("spec.parentRef")]
      : validateParent(spec.parentRef, "spec.parentRef"),
  validateUpdate: (object, old) =>
    isDeepStrictEqual(object.spec.parentRef, old.spec.parentRef)
      ? []
      : [invalid("spec.parentRef", shownParent(object.spec.parentRef), "field is immutable")],
  columns: [nameColumn, column("ParentRef", parentCell), { ...ageColumn, undeclared: true }],
  selectableFields: {
    "spec.parentRef.group": ({ spec }) => spec.parentRef?.group ?? "",
    "spec.parentRef.resource": ({ spec }) => spec.parentRef?.resource ?? "",
    "spec.parentRef.namespace": ({ spec }) => spec.parentRef?.namespace ?? "",
    "spec.parentRef.name": ({ spec }) => spec.parentRef?.name ?? "",
  },
});
