/** Label keys of a pod's terms: the pod's own values of them become part of the selectors. */

import { type FieldError, forbidden, invalid } from "../../../errors.ts";
import type { Pod, PodAffinityTerm, TopologySpreadConstraint } from "../../../gen/core/v1.ts";
import { eachOf, invalidBy } from "../../../validation/checks.ts";
import { qualifiedName } from "../../../validation/names.ts";

/** The fields that affinity terms and spread constraints share. */
type Keyed = Pick<PodAffinityTerm, "labelSelector" | "matchLabelKeys" | "mismatchLabelKeys">;

/**
 * Adds the pod's values of `matchLabelKeys` (In) and `mismatchLabelKeys` (NotIn) to the selectors
 * of its affinity terms and spread constraints, once, at creation: the scheduler reads selectors
 * alone. A key that the pod's labels lack adds nothing; nor does any key without a selector.
 */
export function mergeLabelKeys({ metadata, spec }: Pod): void {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const terms = [podAffinity, podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
      ({ podAffinityTerm }) => podAffinityTerm,
    ),
  ]);
  const labels = new Map(Object.entries(metadata.labels ?? {}));
  for (const term of [...terms, ...(spec.topologySpreadConstraints ?? [])] as Keyed[]) {
    if (!term.labelSelector) continue;
    const added = [
      ...expressions(term.matchLabelKeys, "In", labels),
      ...expressions(term.mismatchLabelKeys, "NotIn", labels),
    ];
    if (added.length > 0) (term.labelSelector.matchExpressions ??= []).push(...added);
  }
}

function expressions(
  keys: readonly string[] = [],
  operator: "In" | "NotIn",
  labels: ReadonlyMap<string, string>,
) {
  return keys.flatMap((key) => {
    const value = labels.get(key);
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  });
}

/**
 * Checks `matchLabelKeys` and `mismatchLabelKeys`, before or after they were merged: names of
 * labels, none in both, and none of `matchLabelKeys` in the selector as well. An expression for a
 * key that the selector has already is the one that `mergeLabelKeys` added.
 */
export function validateLabelKeys(
  term: PodAffinityTerm | TopologySpreadConstraint,
  path: string,
): FieldError[] {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term as Keyed;
  const named = (name: string, keys: readonly string[]): FieldError[] => {
    if (keys.length === 0) return [];
    if (!labelSelector) {
      return [forbidden(`${path}.${name}`, "must not be specified when labelSelector is not set")];
    }
    return eachOf(keys, `${path}.${name}`, (key, at) => invalidBy(qualifiedName, at, key));
  };
  const complain = (what: string, isTaken: (key: string) => boolean): FieldError[] =>
    eachOf(matchLabelKeys, `${path}.matchLabelKeys`, (key, at) =>
      isTaken(key) ? [invalid(at, key, `exists in both matchLabelKeys and ${what}`)] : [],
    );
  const selected = new Set(Object.keys(labelSelector?.matchLabels ?? {}));
  const twice = new Set<string>();
  for (const { key } of labelSelector?.matchExpressions ?? []) {
    if (selected.has(key)) twice.add(key);
    selected.add(key);
  }
  const mismatched = new Set(mismatchLabelKeys);
  return [
    ...named("matchLabelKeys", matchLabelKeys),
    ...named("mismatchLabelKeys", mismatchLabelKeys),
    ...complain("labelSelector", (key) => twice.has(key)),
    ...complain("mismatchLabelKeys", (key) => mismatched.has(key)),
  ];
}
