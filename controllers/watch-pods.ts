import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { type KubeObject, keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { Expectations } from "./expectations.ts";
import { NAMESPACE_INDEX } from "./indexes.ts";

export interface WatchPodsOptions<C extends KubeObject> {
  pods: Informer<Pod>;
  /** Has `NAMESPACE_INDEX`. */
  owners: Informer<C>;
  kind: string;
  selector(owner: C): LabelSelector | undefined;
  /** What was seen is reported here. */
  expectations?: Pick<Expectations, "creationObserved" | "deletionObserved">;
  look(key: string): void;
}

/**
 * Calls `look`, for each change of a pod, with the keys of the owners that it concerns: its
 * controller of now and of before, or all that would adopt it.
 */
export function watchPods<C extends KubeObject>(options: WatchPodsOptions<C>): void {
  const { pods, owners, expectations, look } = options;
  const ownerKey = (pod: Pod): string | undefined => {
    const owner = controllerOf(pod);
    if (owner?.kind !== options.kind) return undefined;
    const key = `${pod.metadata.namespace ?? ""}/${owner.name}`;
    return owners.store.get(key)?.metadata.uid === owner.uid ? key : undefined;
  };
  const wouldAdopt = (pod: Pod): string[] =>
    owners.store
      .by(NAMESPACE_INDEX, pod.metadata.namespace ?? "")
      .filter((owner) => matchesSelector(options.selector(owner), pod.metadata.labels))
      .map(keyOf);
  const gone = (pod: Pod) => {
    const owner = ownerKey(pod);
    if (owner === undefined) return;
    expectations?.deletionObserved(owner, keyOf(pod));
    look(owner);
  };
  pods.handle({
    added(pod) {
      if (pod.metadata.deletionTimestamp) return gone(pod);
      const owner = ownerKey(pod);
      if (owner !== undefined) {
        expectations?.creationObserved(owner);
        look(owner);
      } else if (!controllerOf(pod)) wouldAdopt(pod).forEach(look);
    },
    updated(pod, old) {
      const owner = ownerKey(pod);
      const before = ownerKey(old);
      if (before !== undefined && before !== owner) look(before);
      if (pod.metadata.deletionTimestamp) return gone(pod);
      if (owner !== undefined) return look(owner);
      if (controllerOf(pod)) return;
      wouldAdopt(pod).forEach(look);
    },
    deleted: gone,
  });
}
