import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { revisionOf } from "./revision.ts";
import { wanted } from "./rolling.ts";

const UNLIMITED = 2_147_483_647;

/** Old ReplicaSets beyond the history limit that have no pods: the lowest revisions first. */
export function planHistory(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit;
  if (limit === undefined || limit === UNLIMITED) return [];
  const staying = old.filter((set) => !set.metadata.deletionTimestamp);
  const surplus = staying.length - limit;
  if (surplus <= 0) return [];
  return staying
    .sort((a, b) => (revisionOf(a) < revisionOf(b) ? -1 : 1))
    .slice(0, surplus)
    .filter(isEmpty);
}

/** Whether the spec has no replicas, nor has a status that has seen this spec. */
function isEmpty(set: ReplicaSet): boolean {
  const seen = (set.status?.observedGeneration ?? 0) >= (set.metadata.generation ?? 0);
  return seen && wanted(set) === 0 && (set.status?.replicas ?? 0) === 0;
}
