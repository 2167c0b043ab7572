/**
 * The expressions of webhooks and policies: the variables that they may use, and the type that they
 * must return.
 */
import type { MatchCondition } from "../../gen/admissionregistration/v1.ts";
import { checkCel } from "../../cel/check.ts";
import type { CelScope, CelType } from "../../cel/types.ts";
import { duplicate, invalid, required, tooMany, type FieldError } from "../../errors.ts";
import { qualifiedName } from "../../validation/names.ts";

const CONDITIONS_MAX = 64;
const KIND: CelType = { fields: { group: "string", version: "string", kind: "string" } };
const RESOURCE: CelType = { fields: { group: "string", version: "string", resource: "string" } };

/** An AdmissionRequest as expressions see it. */
const REQUEST: CelType = {
  fields: {
    kind: KIND, resource: RESOURCE, subResource: "string", requestKind: KIND,
    requestResource: RESOURCE, requestSubResource: "string", name: "string",
    namespace: "string", operation: "string", dryRun: "bool", options: "dyn",
    userInfo: { fields: { username: "string", uid: "string", groups: "list", extra: "map" } },
  },
};

/** The variables of every admission expression. */
export interface AdmissionScope {
  readonly params: boolean;
  readonly authorizer: boolean;
  /** `Object` and `JSONPatch`, to make patches of. */
  readonly patches?: boolean;
  /** The variables that the policy has declared so far. */
  readonly variables?: CelScope;
}

function scopeOf({ params, authorizer, patches, variables }: AdmissionScope): CelScope {
  return {
    object: "dyn", oldObject: "dyn", request: REQUEST, namespaceObject: "dyn",
    ...(params ? { params: "dyn" } : {}),
    ...(authorizer ? { authorizer: "dyn" } : {}),
    ...(patches === true ? { Object: "dyn", JSONPatch: "dyn" } : {}),
    ...(variables === undefined ? {} : { variables: { fields: variables } }),
  };
}

/** Checks an expression; returns its errors, or its type. */
export function compile(
  text: string, scope: AdmissionScope, results: readonly CelType[] = [],
): ReturnType<typeof checkCel> {
  return checkCel(text, scopeOf(scope), results);
}

/** The error of an expression that must give one of `results`. */
export function validateExpression(
  text: string, path: string, scope: AdmissionScope, results: readonly CelType[],
): FieldError[] {
  const outcome = compile(text, scope, results);
  return "complaint" in outcome ? [invalid(path, text, outcome.complaint)] : [];
}

/** Named conditions that must all hold. */
export function validateMatchConditions(
  conditions: readonly MatchCondition[] = [], path: string, params: boolean,
): FieldError[] {
  const errors = conditions.length > CONDITIONS_MAX
    ? [tooMany(path, conditions.length, CONDITIONS_MAX)] : [];
  const names = new Set<string>();
  return [...errors, ...conditions.flatMap(({ name, expression }, index) => {
    const at = `${path}[${index}]`;
    const text = expression.trim();
    const found = text === "" ? [required(`${at}.expression`)]
      : validateExpression(text, `${at}.expression`, { params, authorizer: true }, ["bool"]);
    if (name === "") return [...found, required(`${at}.name`)];
    found.push(...qualifiedName(name).map((each) => invalid(`${at}.name`, name, each)));
    if (names.has(name)) found.push(duplicate(`${at}.name`, name));
    names.add(name);
    return found;
  })];
}
