import type { RuleWithOperations } from "@raft2kube/api/gen/admissionregistration/v1.ts";
import { type Attributes, isNamespace } from "../attributes.ts";

type Matched = Pick<Attributes, "resource" | "subresource" | "operation" | "namespace">;

/** Whether a rule is about a request. */
export function matchesRule(rule: RuleWithOperations, request: Matched): boolean {
  const { resource, operation } = request;
  return (
    isInScope(rule, request) &&
    has(rule.operations, operation) &&
    has(rule.apiGroups, resource.group) &&
    has(rule.apiVersions, resource.version) &&
    (rule.resources ?? []).some((each) => matchesResource(each, request))
  );
}

function isInScope({ scope = "*" }: RuleWithOperations, { resource, namespace }: Matched): boolean {
  if (scope === "*") return true;
  const isOfCluster = namespace === "" || isNamespace(resource.group, resource.resource);
  return isOfCluster === (scope === "Cluster");
}

function has(items: readonly string[] | undefined, asked: string): boolean {
  return items !== undefined && (items.includes("*") || items.includes(asked));
}

/** `pods`, `pods/log`, `pods/*`, `*`, which is all without subresources, `*` with `/status`. */
function matchesResource(text: string, { resource, subresource }: Matched): boolean {
  const slash = text.indexOf("/");
  const name = slash < 0 ? text : text.slice(0, slash);
  const part = slash < 0 ? "" : text.slice(slash + 1);
  return (name === "*" || name === resource.resource) && (part === "*" || part === subresource);
}
