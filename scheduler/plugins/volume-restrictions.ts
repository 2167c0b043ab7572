import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type { FilterPlugin, PreFilterPlugin } from "../framework/plugin.ts";
import { SKIP, unschedulable } from "../framework/status.ts";
import type { PodInfo } from "../node-info.ts";

const CONFLICT =
  "node has pod using PersistentVolumeClaim with the same name and " +
  "ReadWriteOncePod access mode";

/** The pod's claims of mode ReadWriteOncePod, and how often existing pods use them. */
type Users = { readonly claims: ReadonlySet<string>; count: number };

const USERS = new StateKey<Users>("PreFilterVolumeRestrictions");

/** Rejects every node while another pod uses a claim of the pod with mode ReadWriteOncePod. */
export const volumeRestrictions = (
  claims: ReadStore<PersistentVolumeClaim>,
): PreFilterPlugin & FilterPlugin => ({
  name: "VolumeRestrictions",
  events: ["AssignedPodDelete", "StorageUpdate"],
  preFilter(state, info) {
    const single = info.claims.filter((key) =>
      claims.get(key)?.spec.accessModes?.includes("ReadWriteOncePod"),
    );
    const users: Users = { claims: new Set(single), count: 0 };
    for (const { pods } of single.length > 0 ? state.snapshot.nodes : []) {
      for (const other of pods.values()) users.count += usesOf(users, other);
    }
    if (users.count === 0) return SKIP;
    state.write(USERS, users);
    return undefined;
  },
  updateWithPod(state, _info, other, _node, sign) {
    const users = state.read(USERS);
    if (users) users.count += sign * usesOf(users, other);
  },
  filter: (state) => (state.read(USERS)?.count ? unschedulable(CONFLICT) : undefined),
});

function usesOf({ claims }: Users, other: PodInfo): number {
  return other.claims.filter((key) => claims.has(key)).length;
}
