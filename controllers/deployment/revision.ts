import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { goInt64 } from "@raft2kube/std/go-values.ts";
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import { REVISION_HISTORY_CHARS_MAX } from "../limits.ts";

export const REVISION = "deployment.kubernetes.io/revision";
export const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
export const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
export const REPLICAS_MAX = "deployment.kubernetes.io/max-replicas";

/** Annotations of a deployment that its ReplicaSets do not inherit. */
const NOT_COPIED = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  "deprecated.deployment.rollback.to",
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  REPLICAS_MAX,
]);

/** The revision written on a ReplicaSet or a deployment; 0 if there is none, or no int64. */
export function revisionOf(object: ReplicaSet | Deployment): bigint {
  return goInt64(object.metadata.annotations?.[REVISION] ?? "") ?? 0n;
}

/** The revision that the newest template gets: one above all old ones. */
export function nextRevision(old: readonly ReplicaSet[]): bigint {
  const greatest = old.map(revisionOf).reduce((a, b) => (a > b ? a : b), 0n);
  return BigInt.asIntN(64, greatest + 1n);
}

/** A whole number of replicas (int32, not negative) in an annotation, or undefined. */
export function numberAnnotation(
  object: ReplicaSet | Deployment,
  name: string,
): number | undefined {
  const text = object.metadata.annotations?.[name];
  if (text === undefined || !/^\d+$/.test(text)) return undefined;
  return Number(text) <= INT32_MAX ? Number(text) : undefined;
}

/**
 * The annotations of a deployment's newest ReplicaSet: the deployment's, and the revision. A set
 * that becomes the newest again (rollback) keeps its earlier revisions in the history, up to 2,000
 * characters.
 */
export function annotationsOfNew(
  deployment: Deployment,
  existing: ReplicaSet | undefined,
  revision: bigint,
): Record<string, string> {
  const annotations = { ...existing?.metadata.annotations };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!NOT_COPIED.has(key)) annotations[key] = value;
  }
  const text = existing?.metadata.annotations?.[REVISION];
  const old = text ? goInt64(text) : 0n;
  // A user's value that is no revision is kept, as upstream.
  if (old === undefined || old >= revision) return annotations;
  annotations[REVISION] = String(revision);
  if (old > 0n) annotations[REVISION_HISTORY] = withHistory(annotations[REVISION_HISTORY], old);
  return annotations;
}

function withHistory(history: string | undefined, revision: bigint): string {
  const whole = history ? `${history},${revision}` : String(revision);
  const surplus = whole.length - REVISION_HISTORY_CHARS_MAX;
  if (surplus <= 0) return whole;
  // The oldest go together: a user's annotation may have 100,000 of them.
  return whole.slice(whole.indexOf(",", surplus - 1) + 1);
}
