/** Which requests a webhook or a policy is asked about. */

import { duplicate, type FieldError, invalid, notSupported, required } from "../../errors.ts";
import type {
  MatchResources,
  NamedRuleWithOperations,
  OperationType,
  RuleWithOperations,
} from "../../gen/admissionregistration/v1.ts";
import { eachOf, invalidBy, oneOf } from "../../validation/checks.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { pathSegment } from "../../validation/names.ts";
import { validateStarred } from "../../validation/starred.ts";

const OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
/** The operations that can mutate an object: a deletion has nothing to mutate. */
const MUTATING_OPERATIONS = ["*", "CONNECT", "CREATE", "UPDATE"];
const SCOPES = ["*", "Cluster", "Namespaced"];
export const MATCH_POLICIES: readonly string[] = ["Equivalent", "Exact"];

/** Resources such as `pods`, `pods/status`, `*`, `pods/*`: none says what another says already. */
function validateResources(resources: readonly string[] = [], path: string): FieldError[] {
  const errors: FieldError[] = resources.length === 0 ? [required(path)] : [];
  const wholly = new Set<string>();
  const everywhere = new Set<string>();
  let plain = false;
  resources.forEach((each, index) => {
    const at = `${path}[${index}]`;
    if (each === "") {
      errors.push(required(at));
      return;
    }
    const slash = each.indexOf("/");
    if (slash === -1) {
      plain = each !== "*";
      return;
    }
    const [name, sub] = [each.slice(0, slash), each.slice(slash + 1)];
    if (wholly.has(name)) {
      errors.push(invalid(at, each, `if '${name}/*' is present, must not specify ${each}`));
    }
    if (everywhere.has(sub)) {
      errors.push(invalid(at, each, `if '*/${sub}' is present, must not specify ${each}`));
    }
    if (sub === "*") wholly.add(name);
    if (name === "*") everywhere.add(sub);
  });
  if (resources.length > 1 && resources.includes("*/*")) {
    errors.push(invalid(path, resources, "if '*/*' is present, must not specify other resources"));
  }
  if (resources.includes("*") && plain) {
    const rule = "if '*' is present, must not specify other resources without subresources";
    errors.push(invalid(path, resources, rule));
  }
  return errors;
}

/** One rule of a webhook or a policy. */
export function validateRule(rule: RuleWithOperations, path: string): FieldError[] {
  const { operations = [], apiVersions = [], scope } = rule;
  return [
    ...validateStarred(operations, `${path}.operations`, "operations"),
    ...operations.flatMap((each, index) => oneOf(each, OPERATIONS, `${path}.operations[${index}]`)),
    ...validateStarred(rule.apiGroups, `${path}.apiGroups`, "API groups"),
    ...validateStarred(apiVersions, `${path}.apiVersions`, "API versions"),
    ...apiVersions.flatMap((each, index) =>
      each === "" ? [required(`${path}.apiVersions[${index}]`)] : [],
    ),
    ...validateResources(rule.resources, `${path}.resources`),
    ...(scope === undefined || SCOPES.includes(scope)
      ? []
      : [notSupported(`${path}.scope`, scope, SCOPES)]),
  ];
}

function validateNamedRule(rule: NamedRuleWithOperations, path: string): FieldError[] {
  const seen = new Set<string>();
  const names = (rule.resourceNames ?? []).flatMap((name, index) => {
    const at = `${path}.resourceNames[${index}]`;
    const errors = invalidBy(pathSegment, at, name);
    if (seen.has(name)) errors.push(duplicate(at, name));
    seen.add(name);
    return errors;
  });
  return [...names, ...validateRule(rule, path)];
}

/** The match criteria of a policy or binding. */
export function validateMatch(match: MatchResources | undefined, path: string): FieldError[] {
  if (match === undefined) return [];
  const { matchPolicy = "", namespaceSelector, objectSelector } = match;
  return [
    ...oneOf(matchPolicy, MATCH_POLICIES, `${path}.matchPolicy`),
    ...validateLabelSelector(namespaceSelector, `${path}.namespaceSelector`),
    ...validateLabelSelector(objectSelector, `${path}.objectSelector`),
    ...(["resourceRules", "excludeResourceRules"] as const).flatMap((name) =>
      eachOf(match[name], `${path}.${name}`, validateNamedRule),
    ),
  ];
}

/** The same for policies and webhooks that change objects. */
export function validateMutatingMatch(
  match: MatchResources | undefined,
  path: string,
): FieldError[] {
  const operations: OperationType[] = (match?.resourceRules ?? []).flatMap(
    (each) => each.operations ?? [],
  );
  return [
    ...validateMatch(match, path),
    ...operations
      .filter((each) => !MUTATING_OPERATIONS.includes(each))
      .map((each) => notSupported(`${path}.resourceRules.operations`, each, MUTATING_OPERATIONS)),
  ];
}

/** The default scope of a rule. */
export function defaultRule(rule: RuleWithOperations): void {
  rule.scope ??= "*";
}

/** The defaults of match criteria. */
export function defaultMatch(match: MatchResources | undefined): void {
  if (match === undefined) return;
  match.matchPolicy ??= "Equivalent";
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...(match.resourceRules ?? []), ...(match.excludeResourceRules ?? [])]) {
    defaultRule(rule);
  }
}
