import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { urlCovers } from "./rules.ts";

/** The parts of `wanted` that no rule of `held` covers; empty when a holder may grant all of it. */
export function uncovered(
  held: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): PolicyRule[] {
  const parts = notWhole(held, wanted).flatMap(pieces);
  return parts.filter((piece) => !held.some((rule) => covers(rule, piece)));
}

/** How many single grants `uncovered` has to look at: of a rule's four lists the product. */
export function grantsToCompare(
  held: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): number {
  return notWhole(held, wanted).reduce((sum, rule) => sum + grantsIn(rule), 0);
}

/** Rules that no single rule covers as they stand. */
function notWhole(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.filter((rule) => !held.some((each) => coversWhole(each, rule)));
}

function grantsIn(rule: PolicyRule): number {
  const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } = rule;
  const names = Math.max(1, resourceNames?.length ?? 0);
  const objects = (apiGroups?.length ?? 0) * (resources?.length ?? 0) * names;
  return verbs.length * (objects + (nonResourceURLs?.length ?? 0));
}

function coversWhole(rule: PolicyRule, wanted: PolicyRule): boolean {
  const { nonResourceURLs, ...objects } = wanted;
  if ((nonResourceURLs ?? []).length === 0) return covers(rule, objects);
  return (objects.resources ?? []).length === 0 && covers(rule, wanted);
}

/** A rule as single grants: one verb on one resource (and name), or on one URL. */
function pieces(rule: PolicyRule): PolicyRule[] {
  const names = rule.resourceNames ?? [];
  const resources = (rule.apiGroups ?? []).flatMap((group) =>
    (rule.resources ?? []).flatMap((resource) =>
      (names.length === 0 ? [undefined] : names).flatMap((name) =>
        rule.verbs.map((verb) => ({
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          ...(name === undefined ? {} : { resourceNames: [name] }),
        })),
      ),
    ),
  );
  const urls = (rule.nonResourceURLs ?? []).flatMap((url) =>
    rule.verbs.map((verb) => ({ verbs: [verb], nonResourceURLs: [url] })),
  );
  return [...resources, ...urls];
}

function covers(rule: PolicyRule, piece: PolicyRule): boolean {
  if (!within(rule.verbs, piece.verbs)) return false;
  if (piece.nonResourceURLs) {
    return piece.nonResourceURLs.every((url) =>
      (rule.nonResourceURLs ?? []).some((each) => urlCovers(each, url)),
    );
  }
  const names = rule.resourceNames ?? [];
  const named = piece.resourceNames ?? [];
  if (names.length > 0 && !(named.length > 0 && named.every((name) => names.includes(name)))) {
    return false;
  }
  return (
    within(rule.apiGroups, piece.apiGroups) &&
    (piece.resources ?? []).every((resource) =>
      (rule.resources ?? []).some((each) => resourceCovers(each, resource)),
    )
  );
}

function within(
  held: readonly string[] | undefined,
  wanted: readonly string[] | undefined,
): boolean {
  const all = held ?? [];
  return all.includes("*") || (wanted ?? []).every((each) => all.includes(each));
}

function resourceCovers(held: string, wanted: string): boolean {
  if (held === "*" || held === wanted) return true;
  const slash = wanted.indexOf("/");
  return slash >= 0 && held === `*${wanted.slice(slash)}`;
}
