/** PriorityClass: a name for how important a pod is. */
import { own } from "@raft2kube/std/own.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { type FieldError, forbidden, notSupported, required } from "../../errors.ts";
import type { PriorityClass } from "../../gen/scheduling/v1.ts";
import type { Kind } from "../../kind.ts";
import { immutable } from "../../validation/metadata.ts";

const HIGHEST_OF_USERS = 1_000_000_000;
const POLICIES = ["PreemptLowerPriority", "Never"];

/** The classes that Kubernetes itself brings, which alone may be above the users' range. */
const SYSTEM_VALUES: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};

function validate(object: PriorityClass): FieldError[] {
  const { name = "" } = object.metadata;
  const errors: FieldError[] = [];
  if (name.startsWith("system-")) {
    const value = own(SYSTEM_VALUES, name);
    if (value !== object.value) {
      const why =
        value === undefined
          ? `${name} is not a known system priority class`
          : `value of ${name} PriorityClass must be ${value}`;
      const rule =
        "priority class names with 'system-' prefix are " +
        `reserved for system use only. error: ${why}`;
      errors.push(forbidden("metadata.name", rule));
    }
  } else if (object.value > HIGHEST_OF_USERS) {
    const rule = `maximum allowed value of a user defined priority is ${HIGHEST_OF_USERS}`;
    errors.push(forbidden("value", rule));
  }
  return errors;
}

/** The policy is checked at creation only: it cannot change. */
function validatePolicy({ preemptionPolicy: policy }: PriorityClass): FieldError[] {
  if (policy === undefined || POLICIES.includes(policy)) return [];
  return [
    (policy as string) === ""
      ? required("preemptionPolicy")
      : notSupported("preemptionPolicy", policy, POLICIES),
  ];
}

export const priorityClass: Kind<PriorityClass> = defineKind<PriorityClass>(
  "scheduling/v1.PriorityClass",
  {
    prepareCreate({ metadata }) {
      metadata.generation = 1;
    },
    defaults(object) {
      object.preemptionPolicy ??= "PreemptLowerPriority";
    },
    validate,
    validateCreate: validatePolicy,
    validateUpdate: (object, old) => [
      ...(object.value === old.value
        ? []
        : [forbidden("value", "may not be changed in an update.")]),
      ...immutable("preemptionPolicy", object.preemptionPolicy, old.preemptionPolicy),
    ],
    columns: [
      nameColumn,
      column("Value", (object) => object.value, { type: "integer" }),
      column("Global-Default", (object) => object.globalDefault ?? false, { type: "boolean" }),
      ageColumn,
      column("PreemptionPolicy", (object) => object.preemptionPolicy ?? ""),
    ],
  },
);
