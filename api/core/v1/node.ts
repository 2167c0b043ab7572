/** Node: a machine that runs pods; cluster-wide. */

import { ageColumn, column, NONE, nameColumn, UNKNOWN, wide } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError, forbidden, invalid, required } from "../../errors.ts";
import type { Node } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { validateCidr } from "../../validation/addresses.ts";
import { eachOf, invalidBy, oneOf } from "../../validation/checks.ts";
import { labelValue, qualifiedName } from "../../validation/names.ts";
import { firstOfList } from "./first-of-list.ts";
import { validateAmount } from "./pod/validate-resources.ts";
import { TAINT_EFFECTS } from "./pod/validate-scheduling.ts";
import { roundAmounts } from "./round-amounts.ts";

const ROLE_PREFIX = "node-role.kubernetes.io/";
const ROLE_LABEL = "kubernetes.io/role";

/** One range of each family for the pods of the node. */
function validateRanges({ spec }: Node): FieldError[] {
  const ranges = spec.podCIDRs ?? [];
  const path = "spec.podCIDRs";
  const errors = eachOf(ranges, path, validateCidr);
  const families = new Set(ranges.map((each) => each.includes(":")));
  if (ranges.length > families.size) {
    errors.push(invalid(path, ranges, "may specify no more than one CIDR for each IP family"));
  }
  return errors;
}

/** Upstream names taints as if they lay in metadata. */
function validateTaints(node: Node): FieldError[] {
  const seen = new Set<string>();
  return (node.spec.taints ?? []).flatMap((taint, index) => {
    const at = `metadata.taints[${index}]`;
    const { key, value = "", effect } = taint;
    const errors = invalidBy(qualifiedName, `${at}.key`, key);
    const complaints = labelValue(value);
    if (complaints.length > 0) errors.push(invalid(`${at}.value`, value, complaints.join(";")));
    if ((effect as string) === "") errors.push(required(`${at}.effect`));
    else errors.push(...oneOf(effect, TAINT_EFFECTS, `${at}.effect`));
    if (seen.has(`${key}:${effect}`)) {
      const shown = { Key: key, Value: value, Effect: effect, TimeAdded: taint.timeAdded ?? null };
      errors.push({
        ...duplicate(at, shown),
        detail: "taints must be unique by key and effect pair",
      });
    }
    seen.add(`${key}:${effect}`);
    return errors;
  });
}

function validateCapacity(node: Node): FieldError[] {
  return (["capacity", "allocatable"] as const).flatMap((name) =>
    Object.entries(node.status?.[name] ?? {}).flatMap(([resource, amount]) =>
      validateAmount(resource, amount, `status.${name}.${resource}`),
    ),
  );
}

/** The pod range and the provider's name are given once. */
function validateUpdate(node: Node, old: Node): FieldError[] {
  const errors: FieldError[] = [];
  const before = old.spec.podCIDRs ?? [];
  const now = node.spec.podCIDRs ?? [];
  if (before.length > 0 && before.join() !== now.join()) {
    const rule = 'node updates may not change podCIDR except from "" to valid';
    errors.push(forbidden("spec.podCIDRs", rule));
  }
  const provider = old.spec.providerID ?? "";
  if (provider !== "" && provider !== node.spec.providerID) {
    const rule = 'node updates may not change providerID except from "" to valid';
    errors.push(forbidden("spec.providerID", rule));
  }
  if ((node.spec.externalID ?? "") !== (old.spec.externalID ?? "")) {
    errors.push(forbidden("spec.externalID", "may not be updated"));
  }
  return errors;
}

function validateAddresses({ status }: Node): FieldError[] {
  const seen = new Set<string>();
  return (status?.addresses ?? []).flatMap((each, index) => {
    const key = `${each.type} ${each.address}`;
    if (seen.has(key)) return [duplicate(`status.addresses[${index}]`, each)];
    seen.add(key);
    return [];
  });
}

function readiness(node: Node): string {
  const ready = node.status?.conditions?.find((each) => each.type === "Ready");
  const state = ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady";
  return node.spec.unschedulable === true ? `${state},SchedulingDisabled` : state;
}

function roles(node: Node): string {
  const found = Object.entries(node.metadata.labels ?? {})
    .flatMap(([key, value]) => {
      if (key.startsWith(ROLE_PREFIX)) return [key.slice(ROLE_PREFIX.length)];
      return key === ROLE_LABEL ? [value] : [];
    })
    .filter((each) => each !== "");
  return found.length === 0 ? NONE : [...new Set(found)].sort().join(",");
}

function address(node: Node, type: string): string {
  return node.status?.addresses?.find((each) => each.type === type)?.address ?? NONE;
}

function kernel(node: Node): string {
  const info = node.status?.nodeInfo;
  const version = info?.kernelVersion || UNKNOWN;
  return info?.architecture ? `${version} (${info.architecture})` : version;
}

const RANGE = { read: (range: string) => range, make: (range: string) => range };

export const node: Kind<Node> = defineKind<Node>("core/v1.Node", {
  defaults(object) {
    if (object.status?.capacity !== undefined) {
      object.status.allocatable ??= { ...object.status.capacity };
    }
    roundAmounts(object.status?.capacity, object.status?.allocatable);
    const { spec } = object;
    const { first, list } = firstOfList(spec.podCIDR, spec.podCIDRs, RANGE);
    if (first !== undefined) spec.podCIDR = first;
    if (list !== undefined) spec.podCIDRs = list;
  },
  /** A kubelet registers its node with the status it has already measured. */
  statusOnCreate: true,
  validate: (object) => [
    ...validateTaints(object),
    ...validateCapacity(object),
    ...validateRanges(object),
  ],
  // Upstream looks at taints for any node, and again for one that changes.
  validateUpdate: (object, old) => [...validateUpdate(object, old), ...validateTaints(object)],
  status: {
    validateUpdate: (object) => [...validateCapacity(object), ...validateAddresses(object)],
  },
  columns: [
    nameColumn,
    column("Status", readiness),
    column("Roles", roles),
    ageColumn,
    column("Version", (object) => object.status?.nodeInfo?.kubeletVersion ?? ""),
    wide("Internal-IP", (object) => address(object, "InternalIP")),
    wide("External-IP", (object) => address(object, "ExternalIP")),
    wide("OS-Image", (object) => object.status?.nodeInfo?.osImage || UNKNOWN),
    wide("Kernel-Version", kernel),
    wide(
      "Container-Runtime",
      (object) => object.status?.nodeInfo?.containerRuntimeVersion || UNKNOWN,
    ),
  ],
  selectableFields: {
    "spec.unschedulable": (object) => String(object.spec.unschedulable ?? false),
  },
});
