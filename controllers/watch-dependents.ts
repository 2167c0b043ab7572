import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
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
  const ownerKey = (object: D): string | undefined => {
    const owner = controllerOf(object);
    if (owner?.kind !== options.kind) return undefined;
    const key = `${object.metadata.namespace ?? ""}/${owner.name}`;
    return owners.store.get(key)?.metadata.uid === owner.uid ? key : undefined;
  };
  const orphans = new Selecting<C, D>({
    owners,
    selects: (owner, { metadata }) => matchesSelector(options.selector(owner), metadata.labels),
    found: look,
  });
  const gone = (object: D) => {
    const owner = ownerKey(object);
    if (owner === undefined) return;
    expectations?.deletionObserved(owner, keyOf(object));
    look(owner);
  };
  dependents.handle({
    added(object) {
      if (object.metadata.deletionTimestamp) return gone(object);
      const owner = ownerKey(object);
      if (owner !== undefined) {
        expectations?.creationObserved(owner);
        look(owner);
      } else if (!controllerOf(object)) orphans.changed(object);
    },
    updated(object, old) {
      const owner = ownerKey(object);
      const before = ownerKey(old);
      if (before !== undefined && before !== owner) look(before);
      if (object.metadata.deletionTimestamp) return gone(object);
      if (owner !== undefined) return look(owner);
      if (!controllerOf(object)) orphans.changed(object);
    },
    deleted: gone,
  });
}
