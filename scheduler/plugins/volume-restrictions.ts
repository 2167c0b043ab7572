import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/store.ts";
import { claimNameOf } from "@raft2kube/client-kube/volumes.ts";
import { crowded, type Plugin, type Snapshot } from "../framework.ts";

const CONFLICT = "node has pod using PersistentVolumeClaim with the same name and " +
  "ReadWriteOncePod access mode";

/** A claim of mode ReadWriteOncePod is for one pod, on whatever node. */
export function volumeRestrictions(claims: ReadStore<PersistentVolumeClaim>): Plugin {
  return {
    name: "VolumeRestrictions",
    weight: 0,
    events: ["pod-removed", "volumes"],
    consider({ pod }, snapshot) {
      const single = claimsOf(pod).filter((key) =>
        claims.get(key)?.spec.accessModes?.includes("ReadWriteOncePod"));
      if (single.length === 0 || !isUsed(snapshot, single)) return {};
      return { filter: () => crowded(CONFLICT) };
    },
  };
}

function claimsOf(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    return name === undefined ? [] : [`${pod.metadata.namespace ?? ""}/${name}`];
  });
}

function isUsed({ nodes }: Snapshot, claims: readonly string[]): boolean {
  return nodes.some(({ pods }) =>
    [...pods.values()].some(({ pod }) => claimsOf(pod).some((key) => claims.includes(key))));
}
