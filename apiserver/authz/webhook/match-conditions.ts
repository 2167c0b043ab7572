import { SchemaTypes } from "@raft2kube/api/admissionregistration/v1/schema-types.ts";
import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { fromJson } from "@raft2kube/cel/json.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import { isError } from "@raft2kube/cel/value.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import { evaluateExpression } from "../../authn/expression.ts";
import type { Spec } from "./review-of.ts";

const PROVIDER = new SchemaTypes();
const REQUEST = PROVIDER.of("authorization/v1.SubjectAccessReviewSpec");
/** Conditions about `request`, an access review's spec. */
export const CONDITIONS_SCOPE: Environment = KUBERNETES.extend({
  variables: { request: REQUEST },
  provider: PROVIDER,
});

/** Whether all conditions hold; one that does not decides, even if others have errors. */
export function matches(
  programs: readonly Program[],
  spec: Spec,
): { outcome: "match" | "exclusion" | "error"; error?: string } {
  const request = fromJson(spec, REQUEST, PROVIDER);
  const errors: string[] = [];
  for (const program of programs) {
    const value = evaluateExpression(program, { request });
    if (isError(value)) errors.push(`cel evaluation error: ${value.message}`);
    else if (value !== true) return { outcome: "exclusion" };
  }
  if (errors.length === 0) return { outcome: "match" };
  return { outcome: "error", error: aggregateOf(errors) };
}
