import { randomUUID } from "node:crypto";
import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { Kind, KubeObject } from "@raft2kube/api/kind.ts";
import { badRequest } from "@raft2kube/apimachinery/errors/catalog.ts";
import { timeText } from "@raft2kube/apimachinery/time.ts";
import { type Random, randomSuffix } from "@raft2kube/std/random.ts";

/**
 * Puts the request's namespace into the object; throws 400 when the object names another. That of a
 * cluster-scoped object is dropped, as upstream: manifests often name one.
 */
export function settleNamespace(kind: Kind, object: KubeObject, namespace: string): void {
  const own = object.metadata.namespace ?? "";
  if (!kind.namespaced) {
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

/** Drops owners that equal an earlier one, and warns of them; `when` is part of the warning. */
export function dropRepeatedOwners(
  { metadata }: KubeObject,
  warnings: string[],
  when: "" | " after mutating admission happens",
): void {
  const owners = metadata?.ownerReferences ?? [];
  if (owners.length < 2) return;
  const byText = new Map<string, OwnerReference>();
  const repeated: string[] = [];
  for (const owner of owners) {
    const { apiVersion, kind, name, uid, controller, blockOwnerDeletion } = owner;
    const text = JSON.stringify([apiVersion, kind, name, uid, controller, blockOwnerDeletion]);
    if (byText.has(text)) repeated.push(uid);
    else byText.set(text, owner);
  }
  if (repeated.length === 0) return;
  warnings.push(
    `.metadata.ownerReferences contains duplicate entries${when}; API server dedups owner ` +
      "references in 1.20+, and may reject such requests as early as 1.24; please fix your " +
      `requests; duplicate UID(s) observed: ${repeated.join(", ")}`,
  );
  metadata.ownerReferences = [...byText.values()];
}
