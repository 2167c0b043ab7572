import type {
  MatchPolicyType,
  MatchResources,
  NamedRuleWithOperations,
} from "@raft2kube/api/gen/admissionregistration/v1.ts";
import type { Kind } from "@raft2kube/api/kind.ts";
import type { Resources } from "../../resource/resources.ts";
import type { Attributes } from "../attributes.ts";
import type { AdmissionRequest } from "../plugin.ts";
import { matchesRule } from "./rules.ts";
import { matchesObject, type NamespaceSelectors } from "./selectors.ts";
import { attributesIn, equivalentsOf } from "./versions.ts";

/**
 * The kind in which rules match a request: its own, else the first equivalent one that a rule names
 * (matchPolicy Equivalent); undefined when they are not about it.
 */
export function matchedKind(
  resources: Resources,
  rules: readonly NamedRuleWithOperations[],
  matchPolicy: MatchPolicyType | undefined,
  { resource }: AdmissionRequest,
  asked: Attributes,
): Kind | undefined {
  const named = rules.filter(
    ({ resourceNames = [] }) => resourceNames.length === 0 || resourceNames.includes(asked.name),
  );
  if (named.some((rule) => matchesRule(rule, asked))) return resource.kind;
  if (matchPolicy !== "Equivalent" || named.length === 0) return undefined;
  const equivalents = equivalentsOf(resources, resource.kind, asked.subresource);
  for (const rule of named) {
    const found = equivalents.find((kind) => matchesRule(rule, attributesIn(asked, kind)));
    if (found) return found;
  }
  return undefined;
}

/**
 * The kind in which the criteria of a policy or binding match a request; undefined when they do
 * not. Throws 404 when the labels of a namespace are needed that is not there.
 */
export async function matchCriteria(
  { resources, namespaces }: { resources: Resources; namespaces: NamespaceSelectors },
  match: MatchResources,
  request: AdmissionRequest,
  asked: Attributes,
): Promise<Kind | undefined> {
  const { matchPolicy, resourceRules = [], excludeResourceRules = [] } = match;
  if (!matchesObject(match.objectSelector, request)) return undefined;
  const kindOf = (rules: readonly NamedRuleWithOperations[]) =>
    matchedKind(resources, rules, matchPolicy, request, asked);
  if (excludeResourceRules.length > 0 && kindOf(excludeResourceRules)) return undefined;
  const kind = resourceRules.length === 0 ? request.resource.kind : kindOf(resourceRules);
  if (kind === undefined) return undefined;
  return (await namespaces.match(match.namespaceSelector, asked, request)) ? kind : undefined;
}
