import { type FieldError, forbidden, invalid, required, tooMany } from "../errors.ts";
import type { LabelSelector, LabelSelectorRequirement } from "../gen/meta/v1.ts";
import { SELECTOR_EXPRESSIONS_MAX, SELECTOR_VALUES_MAX } from "../limits.ts";
import { eachOf, invalidBy } from "./checks.ts";
import { validateLabels } from "./metadata.ts";
import { labelValue, qualifiedName } from "./names.ts";

function validateRequirement(term: LabelSelectorRequirement, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { key, operator, values = [] } = term;
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) {
      const rule = "must be specified when `operator` is 'In' or 'NotIn'";
      errors.push(required(`${path}.values`, rule));
    }
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0) {
      const rule = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      errors.push(forbidden(`${path}.values`, rule));
    }
  } else errors.push(invalid(`${path}.operator`, operator, "not a valid selector operator"));
  errors.push(...invalidBy(qualifiedName, `${path}.key`, key));
  values.forEach((value, index) =>
    errors.push(...invalidBy(labelValue, `${path}.values[${index}]`, value)),
  );
  return errors;
}

/** A label selector of any kind. */
export function validateLabelSelector(
  selector: LabelSelector | undefined,
  path: string,
): FieldError[] {
  if (selector === undefined) return [];
  const { matchLabels, matchExpressions = [] } = selector;
  const at = `${path}.matchExpressions`;
  const { length } = matchExpressions;
  if (length > SELECTOR_EXPRESSIONS_MAX) return [tooMany(at, length, SELECTOR_EXPRESSIONS_MAX)];
  const count = matchExpressions.reduce((sum, { values = [] }) => sum + values.length, 0);
  if (count > SELECTOR_VALUES_MAX) {
    return [forbidden(at, `must have at most ${SELECTOR_VALUES_MAX} values in all`)];
  }
  return [
    ...validateLabels(matchLabels, `${path}.matchLabels`),
    ...eachOf(matchExpressions, at, validateRequirement),
  ];
}
