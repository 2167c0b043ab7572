import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { Expectations } from "./expectations.ts";
import { Selecting } from "./selecting.ts";

export interface WatchDependentsOptions<C extends KubeObject, D extends KubeObject> {
  dependents: Informer<D>;
  /** Informer of the owners, with `NAMESPACE_INDEX`. */
  owners: Informer<C>;
  kind: string;
  selector(owner: C): LabelSelector | undefined;
  /** Called for each observed dependent. */
  expectations?: Pick<Expectations, "creationObserved" | "deletionObserved">;
  look(key: string): void;
}

/**
 * Calls `look`, for each change of a dependent (a pod, a revision), with the keys of the owners
 * that it concerns: its controller of now and of before, or all that would adopt it.
 */
export function watchDependents<C extends KubeObject, D extends KubeObject>(
  options: WatchDependentsOptions<C, D>,
): void {
  const { dependents, owners, expectations, look } = options;
  const ownerOf = (object: D) => ownerIn(owners.store, options.kind, object);
  const orphans = new Selecting<C, D>({
    owners,
    selects: (owner, { metadata }) => matchesSelector(options.selector(owner), metadata.labels),
    found: look,
  });
  const gone = (object: D) => {
    const owner = ownerOf(object);
    if (!owner) return;
    expectations?.deletionObserved(owner, keyOf(object));
    look(keyOf(owner));
  };
  dependents.handle({
    added(object) {
      if (object.metadata.deletionTimestamp) return gone(object);
      const owner = ownerOf(object);
      if (owner) {
        expectations?.creationObserved(owner);
        look(keyOf(owner));
      } else if (!controllerOf(object)) orphans.changed(object);
    },
    updated(object, old) {
      const owner = ownerOf(object);
      const before = ownerOf(old);
      if (before && before !== owner) look(keyOf(before));
      if (object.metadata.deletionTimestamp) return gone(object);
      if (owner) return look(keyOf(owner));
      if (!controllerOf(object)) orphans.changed(object);
    },
    deleted: gone,
  });
}

/** Returns the controller of a dependent, if `owners` has the very object that it refers to. */
export function ownerIn<C extends KubeObject>(
  owners: Pick<ReadStore<C>, "get">,
  kind: string,
  dependent: KubeObject,
): C | undefined {
  const reference = controllerOf(dependent);
  if (reference?.kind !== kind) return undefined;
  const owner = owners.get(`${dependent.metadata.namespace ?? ""}/${reference.name}`);
  return owner?.metadata.uid === reference.uid ? owner : undefined;
}
