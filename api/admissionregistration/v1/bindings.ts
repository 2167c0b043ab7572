/** Bindings of admission policies, with their parameters and actions. */

import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError, forbidden, invalid, required } from "../../errors.ts";
import type {
  MutatingAdmissionPolicyBinding,
  ParamRef,
  ValidatingAdmissionPolicyBinding,
} from "../../gen/admissionregistration/v1.ts";
import type { Column, Kind } from "../../kind.ts";
import { invalidBy, oneOf, requiredBy, requiredOneOf } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { dnsSubdomain, pathSegment } from "../../validation/names.ts";
import { defaultMatch, validateMatch, validateMutatingMatch } from "./rules.ts";

type Binding = MutatingAdmissionPolicyBinding | ValidatingAdmissionPolicyBinding;

const ACTIONS = ["Audit", "Deny", "Warn"];
const NOT_FOUND_ACTIONS = ["Deny", "Allow"];

function validateParamRef(ref: ParamRef | undefined, path: string): FieldError[] {
  if (ref === undefined) return [];
  const { name = "", selector, parameterNotFoundAction: action = "" } = ref;
  const errors = name === "" ? [] : invalidBy(pathSegment, `${path}.name`, name);
  if (name !== "" && selector !== undefined) {
    const why = "name and selector are mutually exclusive";
    errors.push(forbidden(`${path}.name`, why), forbidden(`${path}.selector`, why));
  }
  errors.push(...validateLabelSelector(selector, `${path}.selector`));
  if (name === "" && selector === undefined) {
    errors.push(required(path, "one of name or selector must be specified"));
  }
  const at = `${path}.parameterNotFoundAction`;
  errors.push(...requiredOneOf(action, NOT_FOUND_ACTIONS, at));
  return errors;
}

function validateActions(actions: readonly string[] = [], path: string): FieldError[] {
  const seen = new Set<string>();
  const errors: FieldError[] = actions.flatMap((each, index) => {
    const at = `${path}[${index}]`;
    const found = oneOf(each, ACTIONS, at);
    if (seen.has(each)) found.push(duplicate(at, each));
    seen.add(each);
    return found;
  });
  if (seen.has("Deny") && seen.has("Warn")) {
    const rule =
      "must not contain both Deny and Warn (repeating the same " +
      "validation failure information in the API response and headers serves no purpose)";
    errors.push(invalid(path, actions, rule));
  }
  return seen.size > 0
    ? errors
    : [...errors, required(path, "at least one validation action is required")];
}

function validate({ spec }: Binding): FieldError[] {
  const { policyName = "" } = spec;
  return [
    ...requiredBy(dnsSubdomain, "spec.policyName", policyName),
    ...validateParamRef(spec.paramRef, "spec.paramRef"),
  ];
}

function paramRefCell({ spec }: Binding): string {
  const ref = spec.paramRef;
  if (ref === undefined) return "<unset>";
  if ((ref.name ?? "") === "") return "*/*";
  return (ref.namespace ?? "") === "" ? `*/${ref.name}` : `${ref.namespace}/${ref.name}`;
}

const columns: Column<Binding>[] = [
  nameColumn,
  column("PolicyName", (object) => object.spec.policyName ?? ""),
  column("ParamRef", paramRefCell),
  ageColumn,
];

const VALIDATING = "admissionregistration/v1.ValidatingAdmissionPolicyBinding";
const MUTATING = "admissionregistration/v1.MutatingAdmissionPolicyBinding";

export const validatingBinding: Kind<ValidatingAdmissionPolicyBinding> =
  defineKind<ValidatingAdmissionPolicyBinding>(VALIDATING, {
    generation: "spec",
    unconditionalUpdate: false,
    finalizers: "any",
    defaults: ({ spec }) => defaultMatch(spec.matchResources),
    validate: (object) => [
      ...validate(object),
      ...validateMatch(object.spec.matchResources, "spec.matchResources"),
      ...validateActions(object.spec.validationActions, "spec.validationActions"),
    ],
    columns,
  });

export const mutatingBinding: Kind<MutatingAdmissionPolicyBinding> =
  defineKind<MutatingAdmissionPolicyBinding>(MUTATING, {
    generation: "spec",
    unconditionalUpdate: false,
    finalizers: "any",
    defaults: ({ spec }) => defaultMatch(spec.matchResources),
    validate: (object) => [
      ...validate(object),
      ...validateMutatingMatch(object.spec.matchResources, "spec.matchResources"),
    ],
    columns,
  });
