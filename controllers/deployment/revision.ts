import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import { REVISION_HISTORY_CHARS_MAX } from "../limits.ts";

export const REVISION = "deployment.kubernetes.io/revision";
export const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
export const DESIRED_REPLICAS = "deployment.kubernetes.io/desired-replicas";
export const MAX_REPLICAS = "deployment.kubernetes.io/max-replicas";

/** Annotations of a deployment that its ReplicaSets do not inherit. */
const NOT_COPIED = new Set([
  "kubectl.kubernetes.io/last-applied-configuration",
  "deprecated.deployment.rollback.to",
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
]);

/** The revision written on a ReplicaSet or a deployment; 0 if there is none. */
export function revisionOf(object: ReplicaSet | Deployment): number {
  return numberAnnotation(object, REVISION) ?? 0;
}

/** The revision that the newest template gets: one above all old ones. */
export function nextRevision(old: readonly ReplicaSet[]): number {
  return Math.max(0, ...old.map(revisionOf)) + 1;
}

/** A whole number in an annotation, or undefined. */
export function numberAnnotation(
  object: ReplicaSet | Deployment,
  name: string,
): number | undefined {
  const text = object.metadata.annotations?.[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * The annotations of a deployment's newest ReplicaSet: the deployment's, and the revision. A set
 * that becomes the newest again (rollback) keeps its earlier revisions in the history, up to 2,000
 * characters.
 */
export function annotationsOfNew(
  deployment: Deployment,
  existing: ReplicaSet | undefined,
  revision: number,
): Record<string, string> {
  const annotations = { ...existing?.metadata.annotations };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!NOT_COPIED.has(key)) annotations[key] = value;
  }
  const old = existing === undefined ? 0 : revisionOf(existing);
  if (old >= revision) return annotations;
  annotations[REVISION] = String(revision);
  if (old > 0) annotations[REVISION_HISTORY] = withHistory(annotations[REVISION_HISTORY], old);
  return annotations;
}

function withHistory(history: string | undefined, revision: number): string {
  const revisions = history ? history.split(",") : [];
  revisions.push(String(revision));
  while (revisions.length > 1 && revisions.join(",").length > REVISION_HISTORY_CHARS_MAX) {
    revisions.shift();
  }
  return revisions.join(",");
}
