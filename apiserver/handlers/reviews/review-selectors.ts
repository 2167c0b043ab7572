import type { SubjectAccessReviewSpec } from "@raft2kube/api/gen/authorization/v1.ts";
import {
  formatLabelTerms,
  LABEL_OPERATORS,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from "@raft2kube/api/selector.ts";
import { own } from "@raft2kube/std/own.ts";
import type { Requirement, Selector } from "./review-rules.ts";

/**
 * The `fieldSelector` of a request that a question is about. Of its conditions those count that
 * such a parameter can have, as upstream: a field that has, or has not, one value.
 */
export function fieldSelectorText(selector: Selector | undefined): string {
  const { rawSelector = "", requirements = [] } = selector ?? {};
  if (rawSelector !== "") return parses(parseFieldSelector, rawSelector) ? rawSelector : "";
  return requirements.flatMap((each) => fieldCondition(each) ?? []).join(",");
}

/** The `labelSelector` of a request that a question is about, as far as it is understood. */
export function labelSelectorText(selector: Selector | undefined): string {
  const { rawSelector = "", requirements = [] } = selector ?? {};
  if (rawSelector !== "") return parses(parseLabelSelector, rawSelector) ? rawSelector : "";
  return formatLabelTerms(
    requirements.flatMap(({ key = "", operator = "", values = [] }) => {
      const named = own(LABEL_OPERATORS, operator);
      return named === undefined ? [] : [{ key, operator: named, values }];
    }),
  );
}

const SIGNS = { In: "=", NotIn: "!=" };

function fieldCondition({ key = "", operator = "", values = [] }: Requirement): string | undefined {
  const sign = own(SIGNS, operator);
  const [value, ...more] = values;
  if (sign === undefined || value === undefined || more.length > 0) return undefined;
  return `${key}${sign}${value.replace(/[\\,=]/g, "\\$&")}`;
}

/** Returns the selectors that were not understood, for the status's `evaluationError`. */
export function ignoredSelectors({ resourceAttributes: asked }: SubjectAccessReviewSpec): string {
  const isLabel = ({ operator = "" }: Requirement) => own(LABEL_OPERATORS, operator) !== undefined;
  const isField = (each: Requirement) => fieldCondition(each) !== undefined;
  const found = [
    ignored("fieldSelector", asked?.fieldSelector, parseFieldSelector, isField),
    ignored("labelSelector", asked?.labelSelector, parseLabelSelector, isLabel),
  ];
  return found.filter((each) => each !== undefined).join("; ");
}

function ignored(
  name: string,
  selector: Selector | undefined,
  parse: (text: string) => unknown,
  isUnderstood: (each: Requirement) => boolean,
): string | undefined {
  const { rawSelector = "", requirements = [] } = selector ?? {};
  const whole = rawSelector === "" ? requirements.every(isUnderstood) : parses(parse, rawSelector);
  if (whole) return undefined;
  const part = rawSelector === "" && requirements.some(isUnderstood) ? "partially " : "";
  return `spec.resourceAttributes.${name} ${part}ignored due to parse error`;
}

function parses(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text);
    return true;
  } catch (thrown) {
    if (thrown instanceof SelectorError) return false;
    throw thrown;
  }
}
