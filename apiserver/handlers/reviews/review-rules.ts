import { type FieldError, forbidden, invalid, required } from "@raft2kube/api/errors.ts";
import type {
  FieldSelectorAttributes,
  SubjectAccessReviewSpec,
} from "@raft2kube/api/gen/authorization/v1.ts";
import type { FieldSelectorRequirement } from "@raft2kube/api/gen/meta/v1.ts";
import { invalidBy } from "@raft2kube/api/validation/checks.ts";
import { labelValue, qualifiedName } from "@raft2kube/api/validation/names.ts";

/** One condition of a selector. */
export type Requirement = FieldSelectorRequirement;
/** The selector of a list or watch in an access review. */
export type Selector = FieldSelectorAttributes;

const PATH = "spec.resourceAttributes";

/** The attributes of an access review, as Go prints them. */
const shownPath = ({ path = "", verb = "" }: { path?: string; verb?: string }) => ({
  Path: path,
  Verb: verb,
});

function validateSelector(
  selector: Selector | undefined,
  path: string,
  labels: boolean,
): FieldError[] {
  if (selector === undefined) return [];
  const { rawSelector = "", requirements = [] } = selector;
  const errors: FieldError[] = [];
  if (rawSelector !== "" && requirements.length > 0) {
    const why = "may not specified at the same time as requirements";
    errors.push(invalid(`${path}.rawSelector`, rawSelector, why));
  }
  if (rawSelector === "" && requirements.length === 0) {
    const why = `when ${path} is specified, requirements or rawSelector is required`;
    errors.push(required(`${path}.requirements`, why));
  }
  return [
    ...errors,
    ...requirements.flatMap((each, index) =>
      validateRequirement(each, `${path}.requirements[${index}]`, labels),
    ),
  ];
}

/** Accepts unknown operators: a newer client may know them. */
function validateRequirement(
  { key = "", operator = "", values = [] }: Requirement,
  path: string,
  labels: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  if ((operator === "In" || operator === "NotIn") && values.length === 0) {
    const why = "must be specified when `operator` is 'In' or 'NotIn'";
    errors.push(required(`${path}.values`, why));
  }
  if ((operator === "Exists" || operator === "DoesNotExist") && values.length > 0) {
    const why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
    errors.push(forbidden(`${path}.values`, why));
  }
  if (!labels) {
    return key === "" ? [...errors, required(`${path}.key`, "must be specified")] : errors;
  }
  errors.push(...invalidBy(qualifiedName, `${path}.key`, key));
  return [
    ...errors,
    ...values.flatMap((value, index) => invalidBy(labelValue, `${path}.values[${index}]`, value)),
  ];
}

/** Validates an access review's spec; `hasUser`: whether the kind names a user. */
export function validateQuestion(spec: SubjectAccessReviewSpec, hasUser: boolean): FieldError[] {
  const { resourceAttributes: asked, nonResourceAttributes: path, user = "", groups } = spec;
  const errors: FieldError[] = [];
  if (asked !== undefined && path !== undefined) {
    const why = "cannot be specified in combination with resourceAttributes";
    errors.push(invalid("spec.nonResourceAttributes", shownPath(path), why));
  }
  if (asked === undefined && path === undefined) {
    const why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    errors.push(invalid(PATH, null, why));
  }
  if (hasUser && user === "" && !groups?.length) {
    errors.push(invalid("spec.user", user, "at least one of user or group must be specified"));
  }
  return [
    ...errors,
    ...validateSelector(asked?.fieldSelector, `${PATH}.fieldSelector`, false),
    ...validateSelector(asked?.labelSelector, `${PATH}.labelSelector`, true),
  ];
}

/** The same for a question about one namespace. */
export function validateLocalQuestion(
  spec: SubjectAccessReviewSpec,
  namespace: string,
): FieldError[] {
  const errors = validateQuestion(spec, true);
  const asked = spec.resourceAttributes;
  if (asked !== undefined && (asked.namespace ?? "") !== namespace) {
    const why = "must match metadata.namespace";
    errors.push(invalid(`${PATH}.namespace`, asked.namespace ?? "", why));
  }
  if (spec.nonResourceAttributes !== undefined) {
    const why = "disallowed on this kind of request";
    const shown = shownPath(spec.nonResourceAttributes);
    errors.push(invalid("spec.nonResourceAttributes", shown, why));
  }
  return errors;
}
