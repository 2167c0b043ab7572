import { randomUUID } from "node:crypto";
import { isBuiltIn, type Kind, type KubeObject } from "@raft2kube/api/kind.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { type Random, randomSuffix } from "@raft2kube/std/random.ts";

/** Puts the request's namespace into the object; throws 400 when the object names another. */
export function settleNamespace(kind: Kind, object: KubeObject, namespace: string): void {
  const own = object.metadata.namespace ?? "";
  if (!kind.namespaced) {
    // Of a custom resource it is passed over (as upstream).
    if (own !== "" && isBuiltIn(kind)) {
      throw badRequest("namespace may not be set on a cluster-scoped object");
    }
    delete object.metadata.namespace;
    return;
  }
  if (own !== "" && own !== namespace) {
    throw badRequest(
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
  object.metadata.namespace = namespace;
}

/** Sets the metadata of a new object that only the server may set. */
export function fillSystemFields(object: KubeObject, now_ms: number): void {
  const { metadata } = object;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.selfLink;
  metadata.uid = randomUUID();
  metadata.creationTimestamp = timeText(now_ms);
}

/**
 * A name with a suffix is no longer than this, so that names derived from it stay valid (upstream).
 */
const GENERATED_BASE_MAX = 63 - 5;

export function completeName(object: KubeObject, random: Random): void {
  const { metadata } = object;
  const base = (metadata.generateName ?? "").slice(0, GENERATED_BASE_MAX);
  metadata.name = base + randomSuffix(random, 5);
}

/** Restores the metadata that an update may not change from the stored object. */
export function keepSystemFields(object: KubeObject, old: KubeObject): void {
  const { metadata } = object;
  metadata.creationTimestamp = old.metadata.creationTimestamp;
  metadata.uid ??= old.metadata.uid;
  if (old.metadata.generation !== undefined) metadata.generation = old.metadata.generation;
  else delete metadata.generation;
  if (old.metadata.deletionTimestamp !== undefined) {
    metadata.deletionTimestamp ??= old.metadata.deletionTimestamp;
  }
  if (old.metadata.deletionGracePeriodSeconds !== undefined) {
    metadata.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds;
  }
  delete metadata.selfLink;
}
