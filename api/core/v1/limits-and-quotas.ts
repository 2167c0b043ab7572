/** LimitRange and ResourceQuota: bounds that an administrator sets for a namespace. */
import type { LimitRange, LimitRangeItem, ResourceQuota } from "../../gen/core/v1.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { forbidden, invalid, type FieldError } from "../../errors.ts";
import type { Kind } from "../../kind.ts";
import { compareQuantity, parseQuantity } from "../../quantity.ts";

/** For containers the maximum is the default limit, and limit or minimum the default request. */
function defaultItem(item: LimitRangeItem): void {
  if (item.type !== "Container") return;
  const limits = { ...item.max, ...item.default };
  if (Object.keys(limits).length > 0) item.default = limits;
  const requests = { ...item.min, ...limits, ...item.defaultRequest };
  if (Object.keys(requests).length > 0) item.defaultRequest = requests;
}

function validateItem(item: LimitRangeItem, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (item.type === "Pod") {
    for (const name of ["default", "defaultRequest"] as const) {
      if (Object.keys(item[name] ?? {}).length > 0) {
        errors.push(forbidden(`${path}.${name}`, "may not be specified when `type` is 'Pod'"));
      }
    }
  }
  const order = ["min", "defaultRequest", "default", "max"] as const;
  order.forEach((low, index) => {
    for (const high of order.slice(index + 1)) errors.push(...validateOrder(item, low, high, path));
  });
  return errors;
}

type Bound = "min" | "defaultRequest" | "default" | "max";

function validateOrder(
  item: LimitRangeItem, low: Bound, high: Bound, path: string,
): FieldError[] {
  const words = { min: "min", defaultRequest: "default request", default: "default", max: "max" };
  return Object.entries(item[low] ?? {}).flatMap(([name, amount]) => {
    const bound = item[high]?.[name];
    if (bound === undefined || compareQuantity(amount, bound) <= 0) return [];
    return [invalid(`${path}.${low}[${name}]`, amount,
      `${words[low]} value ${amount} is greater than ${words[high]} value ${bound}`)];
  });
}

export const limitRange: Kind<LimitRange> = defineKind<LimitRange>("core/v1.LimitRange", {
  createOnUpdate: true,
  defaults: ({ spec }) => spec.limits.forEach(defaultItem),
  validate: ({ spec }) => spec.limits.flatMap((each, index) =>
    validateItem(each, `spec.limits[${index}]`)),
  columns: [
    nameColumn,
    column("Created At", (object) => object.metadata.creationTimestamp ?? null, { type: "date" }),
  ],
});

function quotaCell(quota: ResourceQuota, limits: boolean): string {
  const { hard = {}, used = {} } = quota.status ?? {};
  return Object.keys(hard).filter((name) => name.startsWith("limits.") === limits).sort()
    .map((name) => `${name}: ${used[name] ?? "0"}/${hard[name]}`).join(", ");
}

function validateHard(quota: ResourceQuota): FieldError[] {
  return Object.entries(quota.spec.hard ?? {})
    .filter(([, amount]) => parseQuantity(amount).nanos < 0n)
    .map(([name, amount]) => invalid(`spec.hard[${name}]`, amount,
      "must be greater than or equal to 0"));
}

export const resourceQuota: Kind<ResourceQuota> =
  defineKind<ResourceQuota>("core/v1.ResourceQuota", {
    validate: validateHard,
    columns: [
      nameColumn,
      column("Request", (object) => quotaCell(object, false)),
      column("Limit", (object) => quotaCell(object, true)),
      ageColumn,
    ],
  });
