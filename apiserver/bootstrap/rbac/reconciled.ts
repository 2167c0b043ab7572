import { isDeepStrictEqual } from "node:util";
import type { AggregationRule } from "@raft2kube/api/gen/rbac/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { atOnce } from "@raft2kube/std/slices.ts";
import { uncovered } from "../../authz/rbac/covers.ts";
import type { Binding, Role } from "../../authz/rbac/policy.ts";

/** A role with all that is wanted of it (upstream: component-helpers, auth/rbac/reconciliation). */
export function mergedRole(found: Role, wanted: Role): Role {
  const { aggregationRule: aggregated, ...rest } = withMetadata(found, wanted);
  const missing = atOnce(uncovered(found.rules ?? [], wanted.rules ?? []));
  const rules = missing.length === 0 ? {} : { rules: [...(found.rules ?? []), ...missing] };
  const aggregationRule = mergedAggregation(aggregated, wanted.aggregationRule);
  return { ...rest, ...rules, ...(aggregationRule === undefined ? {} : { aggregationRule }) };
}

/** None where none is wanted: its rules would be another's to write. */
function mergedAggregation(
  found: AggregationRule | undefined,
  wanted: AggregationRule | undefined,
): AggregationRule | undefined {
  if (wanted === undefined) return undefined;
  const held = found?.clusterRoleSelectors ?? [];
  const missing = (wanted.clusterRoleSelectors ?? []).filter(
    (selector) => !held.some((each) => isDeepStrictEqual(each, selector)),
  );
  return missing.length === 0 ? found : { clusterRoleSelectors: [...held, ...missing] };
}

/**
 * A binding with all subjects wanted. If its role differs it is another binding, as that cannot
 * change.
 */
export function mergedBinding(found: Binding, wanted: Binding): Binding | "another" {
  if (!isDeepStrictEqual({ ...found.roleRef }, { ...wanted.roleRef })) return "another";
  const held = found.subjects ?? [];
  const missing = (wanted.subjects ?? []).filter(
    (subject) => !held.some((each) => isDeepStrictEqual(each, subject)),
  );
  const merged = withMetadata(found, wanted);
  return missing.length === 0 ? merged : { ...merged, subjects: [...held, ...missing] };
}

/** Adds the wanted labels and annotations; existing ones take precedence. */
function withMetadata<T extends KubeObject>(found: T, { metadata }: T): T {
  const labels = { ...metadata.labels, ...found.metadata.labels };
  const annotations = { ...metadata.annotations, ...found.metadata.annotations };
  return { ...found, metadata: { ...found.metadata, labels, annotations } };
}
