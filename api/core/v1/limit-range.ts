/**
 * LimitRange: bounds of the resources that one pod, container or claim in a namespace may request.
 */
import { randomUUID } from "node:crypto";
import { compareQuantity, parseQuantity } from "@raft2kube/std/quantity.ts";
import { column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError, forbidden, invalid, required } from "../../errors.ts";
import type { LimitRange, LimitRangeItem } from "../../gen/core/v1.ts";
import type { Kind } from "../../kind.ts";
import { invalidBy } from "../../validation/checks.ts";
import { qualifiedName } from "../../validation/names.ts";
import {
  mayOvercommit,
  validateContainerResourceName,
  validateResourceName,
} from "./pod/validate-resources.ts";
import { roundAmounts } from "./round-amounts.ts";

type Bound = "min" | "defaultRequest" | "default" | "max";

const BOUNDS = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] as const;
const TYPES = ["Pod", "Container", "PersistentVolumeClaim"];
const WORDS: Readonly<Record<Bound, string>> = {
  min: "min",
  defaultRequest: "default request",
  default: "default",
  max: "max",
};
/** Pairs of which the first may not exceed the second, and the one that complaints name. */
const ORDER: readonly (readonly [low: Bound, high: Bound, named: Bound])[] = [
  ["min", "max", "min"],
  ["min", "defaultRequest", "defaultRequest"],
  ["defaultRequest", "max", "defaultRequest"],
  ["defaultRequest", "default", "defaultRequest"],
  ["min", "default", "default"],
  ["default", "max", "default"],
];

/** The maximum is a container's default limit; its limit or minimum is the default request. */
function defaultItem(item: LimitRangeItem): void {
  roundAmounts(...BOUNDS.map((bound) => item[bound]));
  if (item.type !== "Container") return;
  const limits = { ...item.max, ...item.default };
  if (Object.keys(limits).length > 0) item.default = limits;
  const requests = { ...item.min, ...limits, ...item.defaultRequest };
  if (Object.keys(requests).length > 0) item.defaultRequest = requests;
}

function validateType(type: string, path: string): FieldError[] {
  const wrong = invalidBy(qualifiedName, path, type);
  if (wrong.length > 0 || type.includes("/") || TYPES.includes(type)) return wrong;
  return [invalid(path, type, "must be a standard limit type or fully qualified")];
}

function validateItem(item: LimitRangeItem, path: string): FieldError[] {
  const { type } = item;
  const errors = validateType(type, `${path}.type`);
  const byContainer = type === "Pod" || type === "Container";
  for (const bound of BOUNDS) {
    const amounts = Object.keys(item[bound] ?? {});
    if (type === "Pod" && bound.startsWith("default")) {
      if (amounts.length > 0) {
        errors.push(forbidden(`${path}.${bound}`, "may not be specified when `type` is 'Pod'"));
      }
      continue;
    }
    const validateName = byContainer ? validateContainerResourceName : validateResourceName;
    errors.push(...amounts.flatMap((name) => validateName(name, `${path}.${bound}[${name}]`)));
  }
  if (type === "PersistentVolumeClaim" && !item.min?.["storage"] && !item.max?.["storage"]) {
    const rule = "either minimum or maximum storage value is required, but neither was provided";
    errors.push(required(`${path}.limits`, rule));
  }
  return [
    ...errors,
    ...ORDER.flatMap((pair) => validateOrder(item, pair, path)),
    ...validateRatios(item, path),
    ...validateFixed(item, path),
  ];
}

function validateOrder(
  item: LimitRangeItem,
  [low, high, named]: (typeof ORDER)[number],
  path: string,
): FieldError[] {
  return Object.entries(item[low] ?? {}).flatMap(([name, amount]) => {
    const bound = item[high]?.[name];
    if (bound === undefined || compareQuantity(amount, bound) <= 0) return [];
    const rule = `${WORDS[low]} value ${amount} is greater than ${WORDS[high]} value ${bound}`;
    return [invalid(`${path}.${named}[${name}]`, item[named]?.[name], rule)];
  });
}

/** A limit may be at most this many times the request; minimum and maximum must allow that. */
function validateRatios(item: LimitRangeItem, path: string): FieldError[] {
  return Object.entries(item.maxLimitRequestRatio ?? {}).flatMap(([name, ratio]) => {
    const at = `${path}.maxLimitRequestRatio[${name}]`;
    const errors =
      compareQuantity(ratio, "1") < 0 ? [invalid(at, ratio, `ratio ${ratio} is less than 1`)] : [];
    const [low, high] = [item.min?.[name], item.max?.[name]];
    if (low === undefined || high === undefined) return errors;
    const most = numberOf(high) / numberOf(low);
    const allowed = numberOf(ratio) / numberOf("1") <= most;
    if (allowed || Number.isNaN(most)) return errors;
    const rule = `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`;
    return [...errors, invalid(at, ratio, rule)];
  });
}

/** The default limit is the default request of resources that cannot be overcommitted. */
function validateFixed(
  { default: limits = {}, defaultRequest = {} }: LimitRangeItem,
  path: string,
): FieldError[] {
  return Object.entries(limits).flatMap(([name, limit]) => {
    const request = defaultRequest[name];
    if (request === undefined || mayOvercommit(name) || compareQuantity(limit, request) === 0) {
      return [];
    }
    const rule = `default value ${limit} must equal to defaultRequest value ${request} in ${name}`;
    return [invalid(`${path}.defaultRequest[${name}]`, request, rule)];
  });
}

const numberOf = (amount: string): number => Number(parseQuantity(amount).nanos);

function validate({ spec }: LimitRange): FieldError[] {
  const types = new Set<string>();
  return spec.limits.flatMap((item, index) => {
    const path = `spec.limits[${index}]`;
    const errors = types.has(item.type) ? [duplicate(`${path}.type`, item.type)] : [];
    types.add(item.type);
    return [...validateItem(item, path), ...errors];
  });
}

export const limitRange: Kind<LimitRange> = defineKind<LimitRange>("core/v1.LimitRange", {
  createOnUpdate: true,
  defaults: ({ spec }) => spec.limits.forEach(defaultItem),
  prepareCreate({ metadata }) {
    if ((metadata.name ?? "") === "") metadata.name = randomUUID();
  },
  validate,
  columns: [
    nameColumn,
    column("Created At", (object) => object.metadata.creationTimestamp ?? null, { type: "date" }),
  ],
});
