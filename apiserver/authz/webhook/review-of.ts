import type { SubjectAccessReviewSpec } from "@raft2kube/api/gen/authorization/v1.ts";
import {
  type FieldTerm,
  type LabelTerm,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from "@raft2kube/api/selector.ts";
import type { Attributes } from "../attributes.ts";

/** The operators of labels in an access review; the others are left out, which asks for more. */
const OPERATORS: Readonly<Partial<Record<LabelTerm["operator"], string>>> = {
  in: "In",
  notin: "NotIn",
  exists: "Exists",
  "!": "DoesNotExist",
};

/** The spec of an access review about a request, as upstream's webhook authorizer makes it. */
export function specOf(attributes: Attributes): SubjectAccessReviewSpec {
  const { user, resourceRequest, verb, path } = attributes;
  const { name, uid, groups, extra = {} } = user;
  return {
    ...(resourceRequest
      ? { resourceAttributes: resourceIn(attributes) }
      : { nonResourceAttributes: { path, verb } }),
    user: name,
    ...(groups.length === 0 ? {} : { groups: [...groups] }),
    ...(Object.keys(extra).length === 0 ? {} : { extra: copied(extra) }),
    ...(uid ? { uid } : {}),
  };
}

const copied = (extra: Readonly<Record<string, readonly string[]>>): Record<string, string[]> =>
  Object.fromEntries(Object.entries(extra).map(([key, values]) => [key, [...values]]));

function resourceIn(attributes: Attributes): SubjectAccessReviewSpec["resourceAttributes"] {
  const { namespace, verb, group, version, resource, subresource, name } = attributes;
  const all = { namespace, verb, group, version, resource, subresource, name };
  const fields = understood(parseFieldSelector, attributes.fieldSelector).map(fieldRequirement);
  const labels = understood(parseLabelSelector, attributes.labelSelector).flatMap(labelRequirement);
  return {
    ...Object.fromEntries(Object.entries(all).filter(([, value]) => value !== "")),
    ...(fields.length === 0 ? {} : { fieldSelector: { requirements: fields } }),
    ...(labels.length === 0 ? {} : { labelSelector: { requirements: labels } }),
  };
}

/** The terms of a selector; none of one that cannot be read, which asks for more. */
function understood<T>(parse: (text: string) => readonly T[], text: string): readonly T[] {
  try {
    return text === "" ? [] : parse(text);
  } catch (thrown) {
    if (thrown instanceof SelectorError) return [];
    throw thrown;
  }
}

function fieldRequirement({ field, operator, value }: FieldTerm) {
  return { key: field, operator: operator === "=" ? "In" : "NotIn", values: [value] };
}

function labelRequirement({ key, operator, values }: LabelTerm) {
  const named = OPERATORS[operator];
  if (named === undefined) return [];
  return [{ key, operator: named, ...(values.length === 0 ? {} : { values: [...values] }) }];
}
