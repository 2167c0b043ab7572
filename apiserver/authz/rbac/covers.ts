import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import { namesIn, urlCovers } from "./rules.ts";

/** A comparison, of which each step looks at one rule that is held, and gives its names. */
type Comparison = Generator<number, PolicyRule[]>;

type Rules = readonly PolicyRule[];

/** The parts of `wanted` that no rule of `held` covers; empty when a holder may grant all of it. */
export function* uncovered(held: Rules, wanted: Rules): Comparison {
  return yield* missingGrants(held, yield* notWhole(held, wanted));
}

/** Rules that no single rule covers as they stand. */
export const notWhole = (held: Rules, wanted: Rules): Comparison =>
  without(held, wanted, coversWhole);

/** The single grants of rules that no rule covers. */
export const missingGrants = (held: Rules, wanted: Rules): Comparison =>
  without(held, wanted.flatMap(pieces), covers);

/** How many single grants a rule is: of its four lists the product. */
export function grantsIn(rule: PolicyRule): number {
  const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } = rule;
  const names = Math.max(1, resourceNames?.length ?? 0);
  const objects = (apiGroups?.length ?? 0) * (resources?.length ?? 0) * names;
  return verbs.length * (objects + (nonResourceURLs?.length ?? 0));
}

function* without(
  held: Rules,
  wanted: Rules,
  isCovered: (rule: PolicyRule, wanted: PolicyRule) => boolean,
): Comparison {
  const left: PolicyRule[] = [];
  for (const each of wanted) {
    let found = false;
    for (const rule of held) {
      found = isCovered(rule, each);
      yield namesIn(rule) + namesIn(each);
      if (found) break;
    }
    if (!found) left.push(each);
  }
  return left;
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
  return (
    within(rule.apiGroups, piece.apiGroups) &&
    withinResources(rule.resources, piece.resources) &&
    (names.length === 0 || (named.length > 0 && named.every(among(names, named))))
  );
}

type Texts = readonly string[];

function within(held: Texts = [], wanted: Texts = []): boolean {
  return held.includes("*") || wanted.every(among(held, wanted));
}

function withinResources(held: Texts = [], wanted: Texts = []): boolean {
  if (held.includes("*")) return true;
  const isHeld = among(held, wanted);
  return wanted.every((resource) => {
    const slash = resource.indexOf("/");
    return isHeld(resource) || (slash >= 0 && isHeld(`*${resource.slice(slash)}`));
  });
}

/** Texts up to this number are looked for one by one; a set costs as much as some of them. */
const FEW_TEXTS_MAX = 16;

/** Whether a text is in a list, for each of some texts: both lists may have 100,000. */
function among(list: Texts, texts: Texts): (text: string) => boolean {
  if (texts.length <= FEW_TEXTS_MAX) return (text) => list.includes(text);
  const all = new Set(list);
  return (text) => all.has(text);
}
