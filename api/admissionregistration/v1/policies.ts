/** ValidatingAdmissionPolicy and MutatingAdmissionPolicy: rules that need no webhook. */
import { isDeepStrictEqual } from "node:util";
import { isIdentifier } from "@raft2kube/cel/field-names.ts";
import { BOOL, listOf, NULL, STRING, type Type } from "@raft2kube/cel/types.ts";
import { ageColumn, column, nameColumn } from "../../columns.ts";
import { defineKind } from "../../define.ts";
import { duplicate, type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type {
  AuditAnnotation,
  MutatingAdmissionPolicy,
  Mutation,
  ParamKind,
  ValidatingAdmissionPolicy,
  Validation,
  Variable,
} from "../../gen/admissionregistration/v1.ts";
import type { Kind } from "../../kind.ts";
import { eachOf, invalidBy, oneOf, oneOfIfSet, requiredOneOf } from "../../validation/checks.ts";
import { dns1035Label, dnsSubdomain, qualifiedName } from "../../validation/names.ts";
import { type AdmissionScope, APPLIED, JSON_PATCH } from "./environment.ts";
import { compile, validateExpression, validateMatchConditions } from "./expressions.ts";
import { defaultMatch, validateMatch, validateMutatingMatch } from "./rules.ts";
import { FAILURE_POLICIES, REINVOCATION_POLICIES } from "./webhooks.ts";

type Policy = MutatingAdmissionPolicy | ValidatingAdmissionPolicy;

const REASONS = ["Forbidden", "Invalid", "RequestEntityTooLarge"];
const PATCH_TYPES = ["ApplyConfiguration", "JSONPatch"];
const ANNOTATIONS_MAX = 20;

function validateParamKind({ apiVersion = "", kind = "" }: ParamKind, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}.apiVersion`;
  const parts = apiVersion.split("/");
  if (apiVersion === "") errors.push(required(at));
  else if (parts.length > 2) {
    errors.push(invalid(at, apiVersion, `unexpected GroupVersion string: ${apiVersion}`));
  } else {
    const version = parts.at(-1)!;
    const group = parts.length === 2 ? parts[0]! : "";
    const wrong = group === "" ? [] : dnsSubdomain(group);
    if (wrong.length > 0) errors.push(invalid(at, group, wrong.join(",")));
    const odd = version === "" ? ["version must be specified"] : dns1035Label(version);
    if (odd.length > 0) errors.push(invalid(at, version || apiVersion, odd.join(",")));
  }
  if (kind === "") return [...errors, required(`${path}.kind`)];
  const wrong = dns1035Label(kind.toLowerCase());
  if (wrong.length === 0) return errors;
  const rule = `may have mixed case, but should otherwise match: ${wrong.join(",")}`;
  return [...errors, invalid(`${path}.kind`, kind, rule)];
}

/** Checks variables in their order: each may use those before it. Gives the scope of the rest. */
function validateVariables(
  variables: readonly Variable[] = [],
  path: string,
  params: boolean,
): { errors: FieldError[]; scope: AdmissionScope } {
  const errors: FieldError[] = [];
  const known: Record<string, Type> = {};
  const scope = { params, authorizer: true, variables: known };
  variables.forEach(({ name, expression }, index) => {
    const at = `${path}[${index}]`;
    if (name.trim() === "") errors.push(required(`${at}.name`, "name is not specified"));
    else if (!isIdentifier(name)) {
      errors.push(invalid(`${at}.name`, name, "must be a valid CEL identifier"));
    }
    if (expression.trim() === "") {
      errors.push(required(`${at}.expression`, "expression is not specified"));
      return;
    }
    const outcome = compile(expression, scope);
    if ("complaint" in outcome) {
      errors.push(invalid(`${at}.expression`, expression, outcome.complaint));
    } else known[name] = outcome.type;
  });
  return { errors, scope };
}

function validateValidation(each: Validation, path: string, scope: AdmissionScope): FieldError[] {
  const { expression = "", message = "", messageExpression = "", reason } = each;
  const errors =
    expression.trim() === ""
      ? [required(`${path}.expression`, "expression is not specified")]
      : validateExpression(expression, `${path}.expression`, scope, [BOOL]);
  if (messageExpression !== "") {
    const at = `${path}.messageExpression`;
    errors.push(
      ...(messageExpression.trim() === ""
        ? [invalid(at, messageExpression, "must be non-empty if specified")]
        : validateExpression(messageExpression, at, { ...scope, authorizer: false }, [STRING])),
    );
  }
  if (message !== "" && message.trim() === "") {
    errors.push(invalid(`${path}.message`, message, "must be non-empty if specified"));
  } else if (/[\n\r]/.test(message.trim())) {
    errors.push(invalid(`${path}.message`, message, "must not contain line breaks"));
  }
  errors.push(...oneOfIfSet(reason, REASONS, `${path}.reason`));
  return errors;
}

function validateAnnotations(
  policy: string,
  list: readonly AuditAnnotation[],
  path: string,
  scope: AdmissionScope,
): FieldError[] {
  const errors: FieldError[] = [];
  if (list.length > ANNOTATIONS_MAX) {
    errors.push(invalid(path, list, `must not have more than ${ANNOTATIONS_MAX} auditAnnotations`));
  }
  const keys = new Set<string>();
  list.forEach(({ key, valueExpression }, index) => {
    const at = `${path}[${index}]`;
    const named = `${policy}/${key}`;
    errors.push(
      ...(policy === ""
        ? [invalid(`${at}.key`, key, "requires metadata.name be non-empty")]
        : invalidBy(qualifiedName, `${at}.key`, named)),
    );
    errors.push(
      ...(valueExpression.trim() === ""
        ? [required(`${at}.valueExpression`, "valueExpression is not specified")]
        : validateExpression(valueExpression, `${at}.valueExpression`, scope, [STRING, NULL])),
    );
    if (keys.has(key)) errors.push(duplicate(`${at}.key`, key));
    keys.add(key);
  });
  return errors;
}

function validateCommon({ spec }: Policy, old: Policy | undefined): FieldError[] {
  const { failurePolicy = "", paramKind, matchConstraints, matchConditions } = spec;
  const errors = oneOf(failurePolicy, FAILURE_POLICIES, "spec.failurePolicy");
  if (paramKind !== undefined) errors.push(...validateParamKind(paramKind, "spec.paramKind"));
  if (matchConstraints === undefined) errors.push(required("spec.matchConstraints"));
  else if ((matchConstraints.resourceRules ?? []).length === 0) {
    errors.push(required("spec.matchConstraints.resourceRules"));
  }
  const known =
    old !== undefined &&
    isDeepStrictEqual(paramKind, old.spec.paramKind) &&
    isDeepStrictEqual(matchConditions, old.spec.matchConditions);
  if (known) return errors;
  return [
    ...errors,
    ...validateMatchConditions(matchConditions, "spec.matchConditions", paramKind !== undefined),
  ];
}

function validate(
  object: ValidatingAdmissionPolicy,
  old?: ValidatingAdmissionPolicy,
): FieldError[] {
  const { metadata, spec } = object;
  const { validations = [], auditAnnotations = [] } = spec;
  const { errors, scope } = validateVariables(
    spec.variables,
    "spec.variables",
    spec.paramKind !== undefined,
  );
  const all = [
    ...validateCommon(object, old),
    ...validateMatch(spec.matchConstraints, "spec.matchConstraints"),
    ...errors,
  ];
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const why = "validations or auditAnnotations must contain at least one item";
    return [...all, required("spec.validations", why), required("spec.auditAnnotations", why)];
  }
  return [
    ...all,
    ...eachOf(validations, "spec.validations", (each, at) => validateValidation(each, at, scope)),
    ...validateAnnotations(metadata.name ?? "", auditAnnotations, "spec.auditAnnotations", scope),
  ];
}

function validateMutation(mutation: Mutation, path: string, scope: AdmissionScope): FieldError[] {
  const { patchType = "", applyConfiguration, jsonPatch } = mutation as Partial<Mutation>;
  if (patchType === "") return [required(`${path}.patchType`)];
  if (!PATCH_TYPES.includes(patchType)) {
    return [notSupported(`${path}.patchType`, patchType, PATCH_TYPES)];
  }
  const apply = patchType === "ApplyConfiguration";
  const [own, other] = apply ? [applyConfiguration, jsonPatch] : [jsonPatch, applyConfiguration];
  const [name, otherName] = apply
    ? ["applyConfiguration", "jsonPatch"]
    : ["jsonPatch", "applyConfiguration"];
  const errors =
    other === undefined
      ? []
      : [
          invalid(
            `${path}.${otherName}`,
            `{${otherName}}`,
            `must not be specified when patchType is ${patchType}`,
          ),
        ];
  if (own === undefined) {
    const rule = `must be specified when patchType is ${patchType}`;
    return [...errors, required(`${path}.${name}`, rule)];
  }
  const text = (own.expression ?? "").trim();
  const at = `${path}.${name}.expression`;
  if (text === "") return [...errors, required(at)];
  const result = apply ? APPLIED : listOf(JSON_PATCH);
  return [...errors, ...validateExpression(text, at, { ...scope, patches: true }, [result])];
}

function validateMutating(
  object: MutatingAdmissionPolicy,
  old?: MutatingAdmissionPolicy,
): FieldError[] {
  const { spec } = object;
  const { mutations = [], reinvocationPolicy = "" } = spec;
  const { errors, scope } = validateVariables(
    spec.variables,
    "spec.variables",
    spec.paramKind !== undefined,
  );
  return [
    ...validateCommon(object, old),
    ...validateMutatingMatch(spec.matchConstraints, "spec.matchConstraints"),
    ...errors,
    ...(mutations.length === 0
      ? [required("spec.mutations", "mutations must contain at least one item")]
      : eachOf(mutations, "spec.mutations", (each, at) => validateMutation(each, at, scope))),
    ...requiredOneOf(reinvocationPolicy, REINVOCATION_POLICIES, "spec.reinvocationPolicy"),
  ];
}

function defaults({ spec }: Policy): void {
  spec.failurePolicy ??= "Fail";
  defaultMatch(spec.matchConstraints);
}

function paramKindCell({ spec }: Policy): string {
  const kind = spec.paramKind;
  return kind === undefined ? "<unset>" : `${kind.apiVersion}/${kind.kind}`;
}

const VALIDATING = "admissionregistration/v1.ValidatingAdmissionPolicy";
const MUTATING = "admissionregistration/v1.MutatingAdmissionPolicy";

export const validatingPolicy: Kind<ValidatingAdmissionPolicy> =
  defineKind<ValidatingAdmissionPolicy>(VALIDATING, {
    generation: "spec",
    unconditionalUpdate: false,
    finalizers: "any",
    defaults,
    validateCreate: (object) => validate(object),
    validateUpdate: (object, old) => validate(object, old),
    columns: [
      nameColumn,
      column("Validations", (object) => (object.spec.validations ?? []).length, {
        type: "integer",
      }),
      column("ParamKind", paramKindCell),
      ageColumn,
    ],
  });

export const mutatingPolicy: Kind<MutatingAdmissionPolicy> = defineKind<MutatingAdmissionPolicy>(
  MUTATING,
  {
    generation: "spec",
    unconditionalUpdate: false,
    finalizers: "any",
    defaults,
    validateCreate: (object) => validateMutating(object),
    validateUpdate: (object, old) => validateMutating(object, old),
    columns: [
      nameColumn,
      column("Mutations", (object) => (object.spec.mutations ?? []).length, { type: "integer" }),
      column("ParamKind", paramKindCell),
      ageColumn,
    ],
  },
);
