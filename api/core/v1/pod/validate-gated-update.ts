/** A gated pod's node selector and affinity can be narrowed, not widened. */
import { isDeepStrictEqual } from "node:util";
import { type FieldError, invalid } from "../../../errors.ts";
import type { NodeSelectorTerm, PodSpec } from "../../../gen/core/v1.ts";

const HARD = "requiredDuringSchedulingIgnoredDuringExecution";

function validateSelector(now: PodSpec, before: PodSpec): FieldError[] {
  const kept = Object.entries(before.nodeSelector ?? {}).every(
    ([key, value]) => now.nodeSelector?.[key] === value,
  );
  if (kept) return [];
  const rule = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
  return [invalid("spec.nodeSelector", now.nodeSelector ?? null, rule)];
}

/** Conditions may follow those that were there; a term without any stays so. */
function onlyAdds(now: NodeSelectorTerm | undefined, before: NodeSelectorTerm): boolean {
  const lists = ["matchExpressions", "matchFields"] as const;
  const count = (term: NodeSelectorTerm | undefined): number =>
    lists.reduce((sum, name) => sum + (term?.[name]?.length ?? 0), 0);
  if (count(before) === 0) return count(now) === 0;
  return lists.every((name) => {
    const old = before[name] ?? [];
    return isDeepStrictEqual((now?.[name] ?? []).slice(0, old.length), old);
  });
}

function validateAffinity(now: PodSpec, before: PodSpec): FieldError[] {
  const termsOf = (spec: PodSpec): NodeSelectorTerm[] =>
    spec.affinity?.nodeAffinity?.[HARD]?.nodeSelectorTerms ?? [];
  const old = termsOf(before);
  const next = termsOf(now);
  const path = `spec.affinity.nodeAffinity.${HARD}.nodeSelectorTerms`;
  if (old.length === 0) return [];
  if (old.length !== next.length) {
    const rule = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
    return [invalid(path, next.length === 0 ? null : next, rule)];
  }
  return old.flatMap((term, index) =>
    onlyAdds(next[index], term)
      ? []
      : [
          invalid(
            `${path}[${index}]`,
            next[index],
            "only additions are allowed (no mutations or deletions)",
          ),
        ],
  );
}

/** The rules of a change of a gated pod; none for a pod without gates. */
export function validateGatedUpdate(now: PodSpec, before: PodSpec): FieldError[] {
  if ((before.schedulingGates ?? []).length === 0) return [];
  return [...validateSelector(now, before), ...validateAffinity(now, before)];
}

/** The new spec with the mutable fields of a gated pod reset. */
export function withoutGatedChanges(now: PodSpec, before: PodSpec): PodSpec {
  if ((before.schedulingGates ?? []).length === 0) return now;
  const { nodeSelector: _selector, affinity, ...rest } = now;
  const { nodeAffinity: _now, ...others } = affinity ?? {};
  const kept = before.affinity?.nodeAffinity;
  const merged = { ...others, ...(kept === undefined ? {} : { nodeAffinity: kept }) };
  const none = Object.keys(merged).length === 0 && before.affinity === undefined;
  return {
    ...rest,
    ...(before.nodeSelector === undefined ? {} : { nodeSelector: before.nodeSelector }),
    ...(none ? {} : { affinity: merged }),
  };
}
