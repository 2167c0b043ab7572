import type { LabelSelector, LabelSelectorRequirement } from "@raft2kube/api/gen/meta/v1.ts";

export type Labels = Record<string, string>;

/** Whether labels satisfy a selector: the empty one selects all, an absent one nothing. */
export function selects(selector: LabelSelector | undefined, labels: Labels | undefined): boolean {
  if (!selector) return false;
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels?.[key] !== value) return false;
  }
  return (selector.matchExpressions ?? []).every((item) => meets(item, labels ?? {}));
}

/** Whether labels carry every pair of a plain map (Service and ReplicationController selectors). */
export function hasLabels(wanted: Labels, labels: Labels | undefined): boolean {
  return Object.entries(wanted).every(([key, value]) => labels?.[key] === value);
}

/**
 * Whether labels meet one requirement; `Gt` and `Lt` are of node selectors only. An unknown
 * operator meets nothing: validation refuses it.
 */
export function meets(requirement: LabelSelectorRequirement, labels: Labels): boolean {
  const { key, operator, values = [] } = requirement;
  const value = labels[key];
  switch (operator) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    case "Gt":
    case "Lt":
      return compares(operator, value, values[0]);
    default:
      return false;
  }
}

function compares(operator: "Gt" | "Lt", value?: string, bound?: string): boolean {
  if (value === undefined || bound === undefined) return false;
  if (!/^-?\d+$/.test(value) || !/^-?\d+$/.test(bound)) return false;
  return operator === "Gt" ? BigInt(value) > BigInt(bound) : BigInt(value) < BigInt(bound);
}

/** Whether a selector has no condition at all. */
export function selectsAll(selector: LabelSelector): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector;
  return Object.keys(matchLabels).length === 0 && matchExpressions.length === 0;
}

/**
 * The query form (`a=b,c in (d,e),!f`); keys in order, so that equal selectors give equal texts.
 */
export function selectorText(selector: LabelSelector): string {
  const parts = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => `${key}=${value}`);
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    if (operator === "Exists") parts.push(key);
    else if (operator === "DoesNotExist") parts.push(`!${key}`);
    else {
      const word = operator === "NotIn" ? "notin" : "in";
      parts.push(`${key} ${word} (${[...values].sort().join(",")})`);
    }
  }
  return parts.sort().join(",");
}
