import type { ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { Expectations } from "../expectations.ts";
import { NAMESPACE_INDEX } from "../indexes.ts";

/** Tells, for each change of a pod, the ReplicaSets that must look again. */
export function watchPods(
  pods: Informer<Pod>,
  sets: Informer<ReplicaSet>,
  expectations: Expectations,
  look: (key: string) => void,
): void {
  const ownerKey = (pod: Pod): string | undefined => {
    const owner = controllerOf(pod);
    if (owner?.kind !== "ReplicaSet") return undefined;
    return `${pod.metadata.namespace ?? ""}/${owner.name}`;
  };
  /** An orphan concerns every set that would adopt it. */
  const wouldAdopt = (pod: Pod): string[] =>
    sets.store
      .by(NAMESPACE_INDEX, pod.metadata.namespace ?? "")
      .filter((set) => matchesSelector(set.spec.selector, pod.metadata.labels))
      .map(keyOf);
  const gone = (pod: Pod) => {
    const owner = ownerKey(pod);
    if (owner === undefined) return;
    expectations.deletionObserved(owner, keyOf(pod));
    look(owner);
  };
  pods.handle({
    added(pod) {
      if (pod.metadata.deletionTimestamp) return gone(pod);
      const owner = ownerKey(pod);
      if (owner === undefined) return wouldAdopt(pod).forEach(look);
      expectations.creationObserved(owner);
      look(owner);
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
