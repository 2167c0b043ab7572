import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import {
  claimNameOf,
  findVolume,
  isBound,
  NO_PROVISIONER,
  SELECTED_NODE,
} from "@raft2kube/client-kube/object/volumes.ts";
import { own } from "@raft2kube/std/own.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type {
  FilterPlugin,
  PreBindPlugin,
  PreFilterPlugin,
  ReservePlugin,
} from "../framework/plugin.ts";
import { type Result, SKIP, type Status, unresolvable } from "../framework/status.ts";
import { selectsNode } from "@raft2kube/client-kube/object/node-selector.ts";
import type { VolumeBinder, VolumeReservation } from "../volume-binder.ts";

const BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind";
const NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity";
const VOLUME_NOT_FOUND =
  "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

/** The storage objects that the plugin reads. */
export interface StorageView {
  claims: ReadStore<PersistentVolumeClaim>;
  volumes: ReadStore<PersistentVolume>;
  classes: ReadStore<StorageClass>;
}

/** How one claim gets its volume on one node: an existing volume, or a new one. */
export type ClaimPlan =
  | { kind: "bind"; claim: PersistentVolumeClaim; volume: PersistentVolume }
  | { kind: "provision"; claim: PersistentVolumeClaim };

const CLAIMS = new StateKey<PodClaims>("PreFilterVolumeBinding");
const RESERVATION = new StateKey<VolumeReservation>("ReserveVolumeBinding");

type VolumeBinding = PreFilterPlugin & FilterPlugin & ReservePlugin & PreBindPlugin;

/**
 * Rejects nodes that cannot reach the pod's volumes. Claims that wait for their first consumer are
 * given a volume, or a node to be provisioned for, before the pod is bound.
 */
export function volumeBinding(view: StorageView, binder: VolumeBinder): VolumeBinding {
  return {
    name: "VolumeBinding",
    events: ["node-added", "node-labels", "volumes"],
    preFilter(state, { pod }) {
      const claims = podClaims(view, pod);
      if ("code" in claims) return claims;
      state.write(CLAIMS, claims);
      return claims.bound.length + claims.delayed.length === 0 ? SKIP : undefined;
    },
    filter(state, _info, { node }) {
      const claims = state.read(CLAIMS);
      if (!node || !claims) return undefined;
      const status = checkBoundClaims(view, claims.bound, node);
      if (status) return status;
      const plans = planClaims(view, claims.delayed, node, binder.reserved());
      return plans ? undefined : unresolvable(BIND_CONFLICT);
    },
    reserve(state, { pod }, { node }) {
      const delayed = state.read(CLAIMS)?.delayed ?? [];
      const plans = node && planClaims(view, delayed, node, binder.reserved());
      if (!plans || plans.length === 0) return;
      state.write(RESERVATION, binder.reserve(pod, plans, node.metadata.name ?? ""));
    },
    unreserve: (state) => state.read(RESERVATION)?.release(),
    async preBind(state, _info, _node, signal) {
      await state.read(RESERVATION)?.bind(signal);
    },
  };
}

/** The claims of a pod: bound ones, and those that wait for their first consumer. */
interface PodClaims {
  bound: PersistentVolumeClaim[];
  delayed: PersistentVolumeClaim[];
}

/** Returns the pod's claims, or why no node can run the pod. */
function podClaims(view: StorageView, pod: Pod): PodClaims | Status {
  const found: PodClaims = { bound: [], delayed: [] };
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume);
    if (name === undefined) continue;
    const claim = view.claims.get(`${pod.metadata.namespace ?? ""}/${name}`);
    if (!claim) return unresolvable(missingClaim(volume, name));
    if (volume.ephemeral && controllerOf(claim)?.uid !== pod.metadata.uid) {
      const [there, here] = [keyOf(claim), keyOf(pod)];
      return unresolvable(`PVC "${there}" was not created for pod "${here}" (pod is not owner)`);
    }
    if (claim.metadata.deletionTimestamp) {
      return unresolvable(`persistentvolumeclaim "${name}" is being deleted`);
    }
    if (claim.status?.phase === "Lost") {
      const lost = claim.spec.volumeName ?? "";
      const what = `persistentvolumeclaim "${name}" bound to non-existent`;
      return unresolvable(`${what} persistentvolume "${lost}"`);
    }
    if (isBound(claim)) found.bound.push(claim);
    else if (!claim.spec.volumeName && waitsForConsumer(view, claim)) found.delayed.push(claim);
    else return unresolvable("pod has unbound immediate PersistentVolumeClaims");
  }
  return found;
}

function missingClaim(volume: Volume, name: string): string {
  return volume.ephemeral === undefined
    ? `persistentvolumeclaim "${name}" not found`
    : `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`;
}

function waitsForConsumer(view: StorageView, claim: PersistentVolumeClaim): boolean {
  const storageClass = view.classes.get(claim.spec.storageClassName ?? "");
  return storageClass?.volumeBindingMode === "WaitForFirstConsumer";
}

function checkBoundClaims(
  view: StorageView,
  claims: readonly PersistentVolumeClaim[],
  node: Node,
): Result {
  for (const claim of claims) {
    const volume = view.volumes.get(claim.spec.volumeName ?? "");
    if (!volume) return unresolvable(VOLUME_NOT_FOUND);
    if (!reaches(volume, node)) return unresolvable(NODE_CONFLICT);
  }
  return undefined;
}

function reaches(volume: PersistentVolume, node: Node): boolean {
  const required = volume.spec.nodeAffinity?.required;
  return !required || selectsNode(required, node);
}

/** Plans each claim's volume on this node; undefined if one of them cannot have any there. */
function planClaims(
  view: StorageView,
  claims: readonly PersistentVolumeClaim[],
  node: Node,
  reservedByOthers: ReadonlySet<string>,
): ClaimPlan[] | undefined {
  const plans: ClaimPlan[] = [];
  const reserved = new Set(reservedByOthers);
  for (const claim of claims) {
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    if (selected !== undefined && selected !== node.metadata.name) return undefined;
    const volume = selected
      ? undefined
      : findVolume(view.volumes.list(), claim, (candidate) => {
          return !reserved.has(keyOf(candidate)) && reaches(candidate, node);
        });
    if (volume) {
      reserved.add(keyOf(volume));
      plans.push({ kind: "bind", claim, volume });
    } else if (canProvision(view, claim, node)) plans.push({ kind: "provision", claim });
    else return undefined;
  }
  return plans;
}

function canProvision(view: StorageView, claim: PersistentVolumeClaim, node: Node): boolean {
  const storageClass = view.classes.get(claim.spec.storageClassName ?? "");
  if (!storageClass || storageClass.provisioner === NO_PROVISIONER) return false;
  const topologies = storageClass.allowedTopologies ?? [];
  if (topologies.length === 0) return true;
  const labels = node.metadata.labels ?? {};
  return topologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(own(labels, key) ?? "")),
  );
}
