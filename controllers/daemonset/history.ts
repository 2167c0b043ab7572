import type { ControllerRevision, DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { POD_REVISION, type RevisionPlan } from "../history/plan.ts";

/**
 * Revisions that may go: the oldest beyond the limit that no pod is of, and those that hold the
 * template a second time.
 */
export function surplusRevisions(
  set: DaemonSet,
  { old, duplicates }: RevisionPlan,
  pods: readonly Pod[],
): ControllerRevision[] {
  const live = new Set(pods.map(({ metadata }) => metadata.labels?.[POD_REVISION]));
  const unused = [...duplicates, ...old].filter(
    ({ metadata }) => !live.has(metadata.labels?.[POD_REVISION]),
  );
  const limit = set.spec.revisionHistoryLimit ?? Infinity;
  const surplus =
    Math.max(0, old.length - limit) + duplicates.filter((each) => unused.includes(each)).length;
  return unused.slice(0, surplus);
}
