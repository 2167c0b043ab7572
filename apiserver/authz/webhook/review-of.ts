import { type FieldTerm, LABEL_OPERATORS, type LabelTerm } from "@raft2kube/api/selector.ts";
import { given } from "@raft2kube/std/given.ts";
import type { Attributes } from "../attributes.ts";

/** The spec of an access review about a request, with every text of it, empty ones too. */
export function specOf(attributes: Attributes) {
  const { user, resourceRequest, verb, path } = attributes;
  const { name, uid = "", groups, extra = {} } = user;
  return given({
    resourceAttributes: resourceRequest ? resourceIn(attributes) : undefined,
    nonResourceAttributes: resourceRequest ? undefined : { path, verb },
    user: name,
    groups,
    extra,
    uid,
  });
}

export type Spec = ReturnType<typeof specOf>;

function resourceIn(attributes: Attributes) {
  const { namespace, verb, group, version, resource, subresource, name } = attributes;
  const fields = attributes.fieldSelector.map(fieldRequirement);
  const labels = attributes.labelSelector.flatMap(labelRequirement);
  return {
    namespace,
    verb,
    group,
    version,
    resource,
    subresource,
    name,
    ...(fields.length > 0 && { fieldSelector: { requirements: fields } }),
    ...(labels.length > 0 && { labelSelector: { requirements: labels } }),
  };
}

/** A spec as upstream's webhook authorizer sends it: without fields that are empty. */
export function sentSpec(spec: Spec): object {
  const { resourceAttributes } = spec;
  return {
    ...filled(spec),
    ...(resourceAttributes && { resourceAttributes: filled(resourceAttributes) }),
  };
}

const filled = (fields: object): object =>
  Object.fromEntries(
    Object.entries(fields).filter(([, value]: [string, string | object]) =>
      typeof value === "string" ? value !== "" : Object.keys(value).length > 0,
    ),
  );

function fieldRequirement({ field, operator, value }: FieldTerm) {
  return { key: field, operator: operator === "=" ? "In" : "NotIn", values: [value] };
}

/** A term whose operator reviews do not have is left out, which asks for more. */
function labelRequirement({ key, operator, values }: LabelTerm) {
  const names = Object.keys(LABEL_OPERATORS).filter((name) => LABEL_OPERATORS[name] === operator);
  return names.map((name) => ({
    key,
    operator: name,
    ...(values.length > 0 && { values: [...values] }),
  }));
}
