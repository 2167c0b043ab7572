import type {
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver, CSIStorageCapacity, StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { matchesSelector } from "@raft2kube/api/selector.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import {
  driverOfProvisioner,
  orUndefined,
  translateClass,
  translateVolume,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { selectsNode } from "@raft2kube/client-kube/object/node-selector.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import {
  claimNameOf,
  findVolume,
  isBound,
  NO_PROVISIONER,
  SELECTED_NODE,
} from "@raft2kube/client-kube/object/volumes.ts";
import { own } from "@raft2kube/std/own.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { StateKey } from "../framework/cycle-state.ts";
import type {
  FilterPlugin,
  PreBindPlugin,
  PreFilterPlugin,
  ReservePlugin,
} from "../framework/plugin.ts";
import { type Result, SKIP, type Status, unresolvable } from "../framework/status.ts";
import type { ClaimPlan, VolumeBinder, VolumeReservation } from "../volume-binder.ts";

const BIND_CONFLICT = "node(s) didn't find available persistent volumes to bind";
const NODE_CONFLICT = "node(s) didn't match PersistentVolume's node affinity";
const NO_SPACE = "node(s) did not have enough free storage";
const VOLUME_NOT_FOUND =
  "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

/** The storage objects that the plugin reads. */
export interface StorageView {
  claims: ReadStore<PersistentVolumeClaim>;
  volumes: ReadStore<PersistentVolume>;
  classes: ReadStore<StorageClass>;
  drivers: ReadStore<CSIDriver>;
  capacities: ReadStore<CSIStorageCapacity>;
}

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
      const plans = planClaims(view, claims, node, binder.reserved());
      return typeof plans === "string" ? unresolvable(plans) : undefined;
    },
    reserve(state, { pod }, { node }) {
      const claims = state.read(CLAIMS);
      const plans = node && claims && planClaims(view, claims, node, binder.reserved());
      if (!plans || typeof plans === "string" || plans.length === 0) return;
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
  /** Volumes that claims may get: free ones, and those reserved for one of `delayed`. */
  available: PersistentVolume[];
}

/** Returns the pod's claims, or why no node can run the pod. */
function podClaims(view: StorageView, pod: Pod): PodClaims | Status {
  const found: PodClaims = { bound: [], delayed: [], available: [] };
  for (const volume of pod.spec.volumes ?? []) {
    const name = claimNameOf(pod, volume);
    if (name === undefined) continue;
    const claim = view.claims.get(`${pod.metadata.namespace ?? ""}/${name}`);
    if (!claim) return unresolvable(missingClaim(volume, name));
    if (volume.ephemeral && controllerOf(claim)?.uid !== pod.metadata.uid) {
      const [there, here] = [keyOf(claim), keyOf(pod)];
      return unresolvable(`PVC ${there} was not created for pod ${here} (pod is not owner)`);
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
  if (found.delayed.length > 0) found.available = availableTo(view, found.delayed);
  return found;
}

function availableTo(view: StorageView, claims: readonly PersistentVolumeClaim[]) {
  const keys = new Set(claims.map(keyOf));
  return view.volumes.list().filter(({ spec: { claimRef } }) => {
    return !claimRef || keys.has(`${claimRef.namespace ?? ""}/${claimRef.name ?? ""}`);
  });
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
  const { spec } = orUndefined(() => translateVolume(volume)) ?? volume;
  const required = spec.nodeAffinity?.required;
  return !required || selectsNode(required, node);
}

/** Plans each claim's volume on this node, or returns why one of them cannot have any there. */
function planClaims(
  view: StorageView,
  { delayed, available }: PodClaims,
  node: Node,
  reservedByOthers: ReadonlySet<string>,
): ClaimPlan[] | string {
  const plans: ClaimPlan[] = [];
  const reserved = new Set(reservedByOthers);
  for (const claim of delayed) {
    const selected = claim.metadata.annotations?.[SELECTED_NODE];
    if (selected !== undefined && selected !== node.metadata.name) return BIND_CONFLICT;
    const volume = selected
      ? undefined
      : findVolume(available, claim, (candidate) => {
          return !reserved.has(keyOf(candidate)) && reaches(candidate, node);
        });
    if (volume) {
      reserved.add(keyOf(volume));
      plans.push({ kind: "bind", claim, volume });
      continue;
    }
    const storageClass = provisioningClass(view, claim, node);
    if (!storageClass) return BIND_CONFLICT;
    if (!hasSpace(view, claim, storageClass, node)) return NO_SPACE;
    plans.push({ kind: "provision", claim });
  }
  return plans;
}

/** Returns the class by which the claim's volume can be provisioned for this node. */
function provisioningClass(
  view: StorageView,
  claim: PersistentVolumeClaim,
  node: Node,
): StorageClass | undefined {
  const storageClass = view.classes.get(claim.spec.storageClassName ?? "");
  if (!storageClass || storageClass.provisioner === NO_PROVISIONER) return undefined;
  const topologies = orUndefined(() => translateClass(storageClass))?.allowedTopologies ?? [];
  const labels = node.metadata.labels ?? {};
  const allowed = topologies.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(own(labels, key) ?? "")),
  );
  return topologies.length === 0 || allowed ? storageClass : undefined;
}

/**
 * Whether a driver that publishes capacity (CSIDriver `storageCapacity`) has published enough for
 * the node. Others are assumed to have it.
 */
function hasSpace(
  { drivers, capacities }: StorageView,
  claim: PersistentVolumeClaim,
  { provisioner, metadata: { name = "" } }: StorageClass,
  node: Node,
): boolean {
  if (!drivers.get(driverOfProvisioner(provisioner))?.spec.storageCapacity) return true;
  const wanted = claim.spec.resources?.requests?.["storage"] ?? "0";
  return capacities.list().some((each) => {
    const most = each.maximumVolumeSize ?? each.capacity;
    if (each.storageClassName !== name || most === undefined) return false;
    if (compareQuantity(most, wanted) < 0 || !each.nodeTopology) return false;
    return matchesSelector(each.nodeTopology, node.metadata.labels);
  });
}
