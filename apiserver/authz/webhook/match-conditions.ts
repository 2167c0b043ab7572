import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { fromJson } from "@raft2kube/cel/json.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import { objectTypes } from "@raft2kube/cel/objects.ts";
import { listOf, mapOf, objectType, STRING } from "@raft2kube/cel/types.ts";
import { isError } from "@raft2kube/cel/value.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import { evaluateExpression } from "../../authn/expression.ts";
import type { Spec } from "./review-of.ts";

const TEXTS = listOf(STRING);
const SELECTOR = {
  rawSelector: STRING,
  requirements: listOf(objectType("kubernetes.SelectorRequirement")),
};
const REQUEST = objectType("kubernetes.SubjectAccessReviewSpec");
const PROVIDER = objectTypes({
  [REQUEST.name]: {
    resourceAttributes: objectType("kubernetes.ResourceAttributes"),
    nonResourceAttributes: objectType("kubernetes.NonResourceAttributes"),
    user: STRING,
    groups: TEXTS,
    extra: mapOf(STRING, TEXTS),
    uid: STRING,
  },
  "kubernetes.ResourceAttributes": {
    namespace: STRING,
    verb: STRING,
    name: STRING,
    group: STRING,
    version: STRING,
    resource: STRING,
    subresource: STRING,
    fieldSelector: objectType("kubernetes.FieldSelectorAttributes"),
    labelSelector: objectType("kubernetes.LabelSelectorAttributes"),
  },
  "kubernetes.NonResourceAttributes": { path: STRING, verb: STRING },
  "kubernetes.FieldSelectorAttributes": SELECTOR,
  "kubernetes.LabelSelectorAttributes": SELECTOR,
  "kubernetes.SelectorRequirement": { key: STRING, operator: STRING, values: TEXTS },
});
/** Conditions about `request`, an access review's spec. */
export const CONDITIONS_SCOPE: Environment = KUBERNETES.extend({
  variables: { request: REQUEST },
  provider: PROVIDER,
});

/** Whether all conditions hold; one that does not decides, even if others have errors. */
export function matches(
  programs: readonly Program[],
  spec: Spec,
): { matches: boolean; error?: string } {
  const request = fromJson(spec, REQUEST, PROVIDER);
  const errors: string[] = [];
  for (const program of programs) {
    const outcome = evaluateExpression(program, { request });
    if (isError(outcome)) errors.push(`cel evaluation error: ${outcome.message}`);
    else if (outcome !== true) return { matches: false };
  }
  return errors.length === 0 ? { matches: true } : { matches: false, error: aggregateOf(errors) };
}
