import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { urlCovers } from "./rules.ts";

/** The parts of `wanted` that no rule of `held` covers; empty when a holder may grant all of it. */
export function uncovered(
  held: readonly PolicyRule[],
  wanted: readonly PolicyRule[],
): PolicyRule[] {
  return wanted.flatMap(pieces).filter((piece) => !held.some((rule) => covers(rule, piece)));
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
  if (names.length > 0 && !(piece.resourceNames ?? []).some((name) => names.includes(name))) {
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
