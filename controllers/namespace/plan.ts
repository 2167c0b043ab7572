import type { Namespace, NamespaceCondition } from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { DiscoveredResource } from "@raft2kube/client-kube/rest/discovery.ts";
import { listed } from "@raft2kube/std/listed.ts";
import {
  NAMESPACE_LOOK_DOUBLINGS_MAX,
  NAMESPACE_LOOK_MS,
  NAMESPACE_LOOK_MS_MAX,
  NAMESPACE_LOOK_OF_OBJECT_MS,
} from "../limits.ts";

/** The result of a listing of a namespace's content. */
export interface RemainingContent {
  /** Objects left, by group resource (`pods`, `deployments.apps`). */
  remaining: Map<string, number>;
  /** Resources with objects left. */
  kinds: DiscoveredResource[];
  /** Finalizers on the remaining objects, and on how many of them. */
  finalizers: Map<string, number>;
  /** Resources whose deletion failed, with the error. */
  failures: string[];
  /** Discovery failed, so that content may be overlooked. */
  discoveryFailure?: string;
}

export const FINALIZER = "kubernetes";

/** Whether the namespace's content is to be deleted by us. */
export function isTerminating({ metadata, spec }: Namespace): boolean {
  return Boolean(metadata.deletionTimestamp) && (spec?.finalizers ?? []).includes(FINALIZER);
}

/** Whether nothing is left and nothing went wrong: the namespace may go. */
export function isEmpty({ remaining, failures, discoveryFailure }: RemainingContent): boolean {
  return remaining.size === 0 && failures.length === 0 && discoveryFailure === undefined;
}

/** Milliseconds until a namespace with this content is looked at again, after `looks` others. */
export function pauseAfter({ remaining }: RemainingContent, looks: number): number {
  const left = [...remaining.values()].reduce((sum, objects) => sum + objects, 0);
  const pause_ms = NAMESPACE_LOOK_MS * 2 ** Math.min(looks, NAMESPACE_LOOK_DOUBLINGS_MAX);
  return Math.min(pause_ms + left * NAMESPACE_LOOK_OF_OBJECT_MS, NAMESPACE_LOOK_MS_MAX);
}

/** Conditions that explain why a namespace is not deleted (upstream's types and texts). */
export function deletionConditions(
  namespace: Namespace,
  content: RemainingContent,
  now_ms: number,
): NamespaceCondition[] {
  const { remaining, finalizers, failures, discoveryFailure } = content;
  const counted = (counts: Map<string, number>, word: string) =>
    [...counts].map(([name, count]) => `${name} ${word} ${count} resource instances`);
  const resources = counted(remaining, "has");
  const holding = counted(finalizers, "in");
  const conditions: [string, string, string, string, string][] = [
    [
      "NamespaceDeletionDiscoveryFailure",
      discoveryFailure === undefined ? "" : "Discovery failed for some groups: " + discoveryFailure,
      "DiscoveryFailed",
      "ResourcesDiscovered",
      "All resources successfully discovered",
    ],
    [
      "NamespaceDeletionGroupVersionParsingFailure",
      "",
      "GroupVersionParsingFailed",
      "ParsedGroupVersions",
      "All legacy kube types successfully parsed",
    ],
    [
      "NamespaceDeletionContentFailure",
      failures.length === 0 ? "" : "Failed to delete all resource types: " + failures.join(", "),
      "ContentDeletionFailed",
      "ContentDeleted",
      "All content successfully deleted, may be waiting on finalization",
    ],
    [
      "NamespaceContentRemaining",
      resources.length === 0 ? "" : "Some resources are remaining: " + resources.join(", "),
      "SomeResourcesRemain",
      "ContentRemoved",
      "All content successfully removed",
    ],
    [
      "NamespaceFinalizersRemaining",
      holding.length === 0
        ? ""
        : "Some content in the namespace has finalizers remaining: " + listed(holding),
      "SomeFinalizersRemain",
      "ContentHasNoFinalizers",
      "All content-preserving finalizers finished",
    ],
  ];
  return conditions.map(([type, problem, badReason, goodReason, goodText]) => {
    const status = problem === "" ? "False" : "True";
    const known = namespace.status?.conditions?.find((condition) => condition.type === type);
    const same = known?.status === status;
    return {
      type,
      status,
      lastTransitionTime: same ? known.lastTransitionTime : timeText(now_ms),
      reason: problem === "" ? goodReason : badReason,
      message: problem === "" ? goodText : problem,
    };
  });
}
