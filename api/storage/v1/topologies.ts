import { duplicate, type FieldError, required } from "../../errors.ts";
import type { TopologySelectorTerm } from "../../gen/core/v1.ts";
import { invalidBy } from "../../validation/checks.ts";
import { qualifiedName } from "../../validation/names.ts";

function validateTerm(term: TopologySelectorTerm, path: string): FieldError[] {
  const keys = new Set<string>();
  return (term.matchLabelExpressions ?? []).flatMap(({ key, values = [] }, index) => {
    const at = `${path}.matchLabelExpressions[${index}]`;
    const seen = new Set<string>();
    const errors =
      values.length === 0
        ? [required(`${at}.values`)]
        : values.flatMap((value, place) =>
            seen.size < seen.add(value).size ? [] : [duplicate(`${at}.values[${place}]`, value)],
          );
    errors.push(...invalidBy(qualifiedName, `${at}.key`, key));
    if (keys.has(key)) errors.push(duplicate(`${at}.key`, key));
    keys.add(key);
    return errors;
  });
}

/** Where volumes may be: no duplicate terms, and no term that matches everywhere. */
export function validateTopologies(terms: readonly TopologySelectorTerm[] = []): FieldError[] {
  const seen = new Set<string>([JSON.stringify([])]);
  return terms.flatMap((term, index) => {
    const path = `allowedTopologies[${index}]`;
    const places = (term.matchLabelExpressions ?? [])
      .map(({ key, values = [] }) => [key, [...values].sort()])
      .sort();
    const serialized = JSON.stringify(places);
    const errors = seen.has(serialized) ? [duplicate(`${path}.matchLabelExpressions`, "")] : [];
    seen.add(serialized);
    return [...validateTerm(term, path), ...errors];
  });
}
