import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { millisOf } from "@raft2kube/api/time.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import type { DeleteRequest, Propagation } from "./delete-options.ts";

export const ORPHAN_FINALIZER = "orphan";
export const FOREGROUND_FINALIZER = "foregroundDeletion";

/** The effect of a deletion on an object. */
export type DeletePlan =
  /** Nothing holds it: it goes. */
  | { do: "remove"; object: KubeObject }
  /** The object is marked, and stays until its finalizers are removed or its kubelet deletes it. */
  | { do: "mark"; object: KubeObject }
  /** The object is marked already, and this request changes nothing. */
  | { do: "keep" };

/**
 * Plans the deletion of `object` (upstream's registry.Store.Delete and rest.BeforeDelete): a grace
 * period for kinds that have one, finalizers for dependents, removal when nothing holds it.
 */
export function planDelete(
  kind: Kind,
  object: KubeObject,
  request: DeleteRequest,
  now_ms: number,
): DeletePlan {
  const finalizers = finalizersFor(kind, object, request.propagation);
  const { gracePeriod_s: asked_s } = request;
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers: held = [] } = object.metadata;
  if (deletionTimestamp === undefined) {
    const grace_s = kind.strategy.gracePeriod_s?.(object, asked_s) ?? 0;
    if (grace_s === 0 && finalizers.length === 0) return removal(kind, object, now_ms);
    return { do: "mark", object: marked(object, finalizers, grace_s, now_ms) };
  }
  const left_s = deletionGracePeriodSeconds ?? 0;
  // Only a request that names a shorter period changes one that is under way.
  const shortened = asked_s !== undefined && asked_s < left_s;
  if (left_s > 0 && !shortened) return { do: "keep" };
  const grace_s = shortened ? asked_s : 0;
  if (finalizers.length === 0 && grace_s === 0) return removal(kind, object, now_ms);
  if (!shortened && sameItems(finalizers, held)) return { do: "keep" };
  return { do: "mark", object: marked(object, finalizers, grace_s, now_ms) };
}

/** Kinds that are given time are answered marked even when there is none left. */
function removal(kind: Kind, object: KubeObject, now_ms: number): DeletePlan {
  const marks = kind.strategy.gracePeriod_s !== undefined;
  return { do: "remove", object: marks ? marked(object, [], 0, now_ms) : object };
}

function sameItems(a: readonly string[], b: readonly string[]): boolean {
  const known = new Set(b);
  return a.length === b.length && a.every((item) => known.has(item));
}

function marked(
  object: KubeObject,
  finalizers: string[],
  grace_s: number,
  now_ms: number,
): KubeObject {
  const { metadata } = object;
  const { deletionTimestamp, deletionGracePeriodSeconds: before_s = 0 } = metadata;
  const first = deletionTimestamp === undefined;
  // A shorter period counts from the first request, as the one before did.
  const begun_ms = first ? now_ms : millisOf(deletionTimestamp)! - before_s * 1000;
  const changed: KubeObject["metadata"] = {
    ...metadata,
    deletionGracePeriodSeconds: grace_s,
    deletionTimestamp: timeText(begun_ms + grace_s * 1000),
    // Marking changes what is wanted of the object.
    ...(first && metadata.generation ? { generation: metadata.generation + 1 } : {}),
    finalizers,
  };
  if (finalizers.length === 0) delete changed.finalizers;
  return { ...object, metadata: changed };
}

/**
 * The first jobs and replication controllers left their dependents behind, and clients rely on it.
 */
function defaultPropagation(kind: Kind): Propagation {
  const orphaning = ["batch/jobs", "/replicationcontrollers"];
  return orphaning.includes(`${kind.group}/${kind.plural}`) ? "Orphan" : "Background";
}

function finalizersFor(kind: Kind, object: KubeObject, asked: Propagation | undefined): string[] {
  const held = object.metadata.finalizers ?? [];
  const others = held.filter((each) => each !== ORPHAN_FINALIZER && each !== FOREGROUND_FINALIZER);
  if (asked === undefined) {
    if (held.length > others.length) return [...held];
    return defaultPropagation(kind) === "Orphan" ? [...others, ORPHAN_FINALIZER] : others;
  }
  if (asked === "Orphan") return [...others, ORPHAN_FINALIZER];
  return asked === "Foreground" ? [...others, FOREGROUND_FINALIZER] : others;
}
