import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import type { Attributes } from "../attributes.ts";

const ALL = "*";

/** Whether one rule allows a request (upstream's rbac.RuleAllows). */
export function ruleAllows(rule: PolicyRule, request: Attributes): boolean {
  if (!has(rule.verbs, request.verb)) return false;
  if (!request.resourceRequest) {
    return (rule.nonResourceURLs ?? []).some((url) => urlCovers(url, request.path));
  }
  return (
    has(rule.apiGroups, request.group) &&
    resourceMatches(rule, request.resource, request.subresource) &&
    nameMatches(rule, request.name)
  );
}

function has(items: readonly string[] | undefined, item: string): boolean {
  return items !== undefined && (items.includes(item) || items.includes(ALL));
}

function resourceMatches(rule: PolicyRule, resource: string, subresource: string): boolean {
  const whole = subresource === "" ? resource : `${resource}/${subresource}`;
  return (rule.resources ?? []).some(
    (each) => each === ALL || each === whole || (subresource !== "" && each === `*/${subresource}`),
  );
}

/**
 * Whether a rule covers the request's name. Without resourceNames it covers every name; with them
 * it does not cover requests without a name.
 */
function nameMatches(rule: PolicyRule, name: string): boolean {
  const names = rule.resourceNames ?? [];
  return names.length === 0 || names.includes(name);
}

/** `/healthz/*` covers what lies below; `*` covers everything. */
export function urlCovers(rule: string, path: string): boolean {
  if (rule === ALL || rule === path) return true;
  return rule.endsWith("*") && path.startsWith(rule.slice(0, -1));
}

/** How many names a rule lists of all kinds, and one for itself: what comparing it takes. */
export function namesIn({
  verbs = [],
  apiGroups = [],
  resources = [],
  resourceNames = [],
  nonResourceURLs = [],
}: PolicyRule): number {
  const lists = [verbs, apiGroups, resources, resourceNames, nonResourceURLs];
  return lists.reduce((sum, { length }) => sum + length, 1);
}
