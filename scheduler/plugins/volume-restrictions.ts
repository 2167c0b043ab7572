import type { PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import type { Snapshot } from "../framework/snapshot.ts";
import { SKIP, unschedulable } from "../framework/status.ts";

const CONFLICT =
  "node has pod using PersistentVolumeClaim with the same name and " +
  "ReadWriteOncePod access mode";

/** Rejects every node while another pod uses a claim of the pod with mode ReadWriteOncePod. */
export function volumeRestrictions(
  claims: ReadStore<PersistentVolumeClaim>,
): PreFilterPlugin & FilterPlugin {
  return {
    name: "VolumeRestrictions",
    events: ["pod-removed", "volumes"],
    preFilter({ snapshot }, { pod }) {
      const single = claimsOf(pod).filter((key) =>
        claims.get(key)?.spec.accessModes?.includes("ReadWriteOncePod"),
      );
      return single.length === 0 || !isUsed(snapshot, single) ? SKIP : undefined;
    },
    filter: () => unschedulable(CONFLICT),
  };
}

function claimsOf(pod: Pod): string[] {
  return (pod.spec.volumes ?? []).flatMap((volume) => {
    const name = claimNameOf(pod, volume);
    return name === undefined ? [] : [`${pod.metadata.namespace ?? ""}/${name}`];
  });
}

function isUsed({ nodes }: Snapshot, claims: readonly string[]): boolean {
  const asked = new Set(claims);
  return nodes.some(({ pods }) =>
    [...pods.values()].some(({ pod }) => claimsOf(pod).some((key) => asked.has(key))),
  );
}
