import type { SubjectAccessReviewSpec } from "@raft2kube/api/gen/authorization/v1.ts";
import {
  type FieldTerm,
  LABEL_OPERATORS,
  type LabelTerm,
  parseFieldSelector,
  parseLabelSelector,
  understood,
} from "@raft2kube/api/selector.ts";
import { own } from "@raft2kube/std/own.ts";
import type { Requirement, Selector } from "./review-rules.ts";

/** The terms of a selector, and why some or all were left out. */
interface Read<T> {
  readonly terms: readonly T[];
  readonly ignored?: string;
}

/** The selectors of the request that a question is about, as far as they are understood. */
export function selectorsOf({ resourceAttributes: asked }: SubjectAccessReviewSpec): {
  readonly fields: Read<FieldTerm>;
  readonly labels: Read<LabelTerm>;
} {
  return {
    fields: read("fieldSelector", asked?.fieldSelector, parseFieldSelector, fieldTerm),
    labels: read("labelSelector", asked?.labelSelector, parseLabelSelector, labelTerm),
  };
}

function read<T>(
  name: string,
  { rawSelector = "", requirements = [] }: Selector = {},
  parse: (text: string) => readonly T[],
  termOf: (requirement: Requirement) => T | undefined,
): Read<T> {
  const why = "ignored due to parse error";
  const ignored = `spec.resourceAttributes.${name}`;
  if (rawSelector !== "") {
    const terms = understood(parse, rawSelector);
    return terms === undefined ? { terms: [], ignored: `${ignored} ${why}` } : { terms };
  }
  const terms = requirements.flatMap((each) => termOf(each) ?? []);
  if (terms.length === requirements.length) return { terms };
  return { terms, ignored: `${ignored} ${terms.length > 0 ? "partially " : ""}${why}` };
}

const SIGNS = { In: "=", NotIn: "!=" } as const;

/** The conditions that count are those that a parameter can have, as upstream: on one value. */
function fieldTerm({ key = "", operator = "", values = [] }: Requirement): FieldTerm | undefined {
  const sign = own(SIGNS, operator);
  const [value, ...more] = values;
  if (sign === undefined || value === undefined || more.length > 0) return undefined;
  return { field: key, operator: sign, value };
}

function labelTerm({ key = "", operator = "", values = [] }: Requirement): LabelTerm | undefined {
  const named = own(LABEL_OPERATORS, operator);
  return named && { key, operator: named, values };
}
